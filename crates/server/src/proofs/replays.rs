//! Which proofs and assertions were used already. Kept in memory for as long as they would count otherwise; what may have
//! been used before this process started must show a nonce of this process, so nothing needs to be written per call.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use remit_core::digest::Digest;
use remit_core::limits::{CLOCK_SKEW_MS_MAX, DPOP_AGE_MS_MAX, REPLAYS_MAX};
use remit_core::time::Timestamp;

/// What is known about one use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is the first.
    First,
    /// It was used before.
    Before,
    /// It is so old that it may have been used before this process started. It counts as used from now on.
    Unknown,
    /// No more can be remembered now.
    Full,
}

/// The uses that are remembered.
#[derive(Debug)]
pub struct Replays {
    started_at: Timestamp,
    seen: Mutex<HashMap<Digest, Timestamp>>,
}

impl Replays {
    /// Nothing is remembered from before `started_at`.
    #[must_use]
    pub fn new(started_at: Timestamp) -> Self {
        Self {
            started_at,
            seen: Mutex::default(),
        }
    }

    /// Remembers a use until `expires_at`, from which on it is refused for its age.
    pub fn see(&self, use_of: Digest, expires_at: Timestamp, now: Timestamp) -> Seen {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REPLAYS_MAX {
            seen.retain(|_, until| now < *until);
        }
        if seen.get(&use_of).is_some_and(|until| now < *until) {
            return Seen::Before;
        }
        if seen.len() >= REPLAYS_MAX {
            return Seen::Full;
        }
        seen.insert(use_of, expires_at);
        // It was made no later than this; a clock of theirs that runs ahead hides at most the skew.
        let made_by = expires_at.plus_ms(-(DPOP_AGE_MS_MAX + CLOCK_SKEW_MS_MAX));
        if made_by < self.started_at {
            Seen::Unknown
        } else {
            Seen::First
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_counts_once_and_an_old_one_must_show_more() {
        let replays = Replays::new(Timestamp(1_000_000));
        let life = DPOP_AGE_MS_MAX + CLOCK_SKEW_MS_MAX;
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let now = Timestamp(1_005_000);
        assert_eq!(replays.see(a, now.plus_ms(life), now), Seen::First);
        assert_eq!(replays.see(a, now.plus_ms(life), now), Seen::Before);
        assert_eq!(replays.see(b, Timestamp(999_000 + life), now), Seen::Unknown);
        assert_eq!(replays.see(b, Timestamp(999_000 + life), now), Seen::Before);
    }
}
