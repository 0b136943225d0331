//! Identifiers: a prefix, an underscore, and the Crockford base32 (lowercase) of a UUIDv7 (RFC 9562, 5.7).

use std::fmt;
use std::str::FromStr;

use crate::entropy::{Entropy, NoEntropy};
use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const TEXT_LEN: usize = 26;

/// The 128 bits behind every identifier.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RawId(u128);

impl RawId {
    /// A fresh UUIDv7 from the given moment and randomness.
    ///
    /// # Errors
    /// [`NoEntropy`] when the system gives no randomness.
    pub fn fresh(now: Timestamp, entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
        let mut random = [0_u8; 10];
        entropy.fill(&mut random)?;
        let millis = u64::try_from(now.0).unwrap_or(0);
        Ok(Self(
            uuid::Builder::from_unix_timestamp_millis(millis, &random)
                .into_uuid()
                .as_u128(),
        ))
    }

    /// The 16 bytes, big-endian.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    fn write(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in (0..TEXT_LEN).rev() {
            let index = (self.0 >> (place * 5)) & 31;
            let letter = usize::try_from(index)
                .ok()
                .and_then(|i| ALPHABET.get(i))
                .copied()
                .unwrap_or(b'0');
            fmt::Write::write_char(f, char::from(letter))?;
        }
        Ok(())
    }

    fn parse(text: &str) -> Option<Self> {
        if text.len() != TEXT_LEN {
            return None;
        }
        let mut value = 0_u128;
        for (place, byte) in text.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|&letter| letter == byte)?;
            if place == 0 && digit > 7 {
                return None;
            }
            value = (value << 5) | digit as u128;
        }
        Some(Self(value))
    }
}

/// Text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an id of the form `{prefix}_…` (26 letters and digits after the underscore)")]
pub struct BadId {
    /// What was given.
    pub text: String,
    /// The prefix that was expected.
    pub prefix: &'static str,
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(RawId);

        impl $name {
            /// The letters before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh identifier.
            ///
            /// # Errors
            /// [`NoEntropy`] when the system gives no randomness.
            pub fn fresh(now: Timestamp, entropy: &dyn Entropy) -> Result<Self, NoEntropy> {
                RawId::fresh(now, entropy).map(Self)
            }

            /// An identifier that only carries the time: for answers that stand for no record, when there is no
            /// randomness to be had.
            #[must_use]
            pub fn without_entropy(now: Timestamp) -> Self {
                let millis = u64::try_from(now.0).unwrap_or(0);
                Self(RawId(uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid().as_u128()))
            }

            /// The 128 bits.
            #[must_use]
            pub const fn raw(self) -> RawId {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                self.0.write(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(RawId::parse)
                    .map(Self)
                    .ok_or_else(|| BadId { text: text.to_owned(), prefix: $prefix })
            }
        }
    )*};
}

ids! {
    /// One task.
    TaskId = "task";
    /// One attested execution of an agent.
    RunId = "run";
    /// One call.
    CallId = "call";
    /// One decision.
    DecisionId = "dec";
    /// One approval.
    ApprovalId = "apr";
    /// One grant.
    GrantId = "grant";
    /// One just-in-time credential.
    LeaseId = "lease";
    /// One registered server.
    ServerId = "srv";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SeededEntropy;

    #[test]
    fn ids_round_trip_and_sort_by_time() {
        let entropy = SeededEntropy::new(7);
        let early = TaskId::fresh(Timestamp(1_000), &entropy).unwrap();
        let late = TaskId::fresh(Timestamp(2_000), &entropy).unwrap();
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse::<TaskId>(), Ok(early));
        assert_eq!(early.to_string().len(), "task_".len() + 26);
    }

    #[test]
    fn another_kind_is_refused() {
        let run = RunId::fresh(Timestamp(1), &SeededEntropy::new(1))
            .unwrap()
            .to_string();
        assert!(run.parse::<TaskId>().is_err());
        assert!("task_".parse::<TaskId>().is_err());
        assert!(
            run.replace("run_", "task_")
                .to_uppercase()
                .parse::<TaskId>()
                .is_err()
        );
    }
}
