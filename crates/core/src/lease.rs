//! Leases: just-in-time credentials with a life, and what may honestly be promised about their end.
//!
//! A lease is planned and recorded before anything is asked of a backend, under a name chosen beforehand, so a crash
//! cannot leave a credential nobody knows of. From then on it only moves towards its end.

use std::fmt;
use std::str::FromStr;

use crate::id::{LeaseId, RunId, TaskId};
use crate::name::Name;
use crate::time::Timestamp;

/// How surely a credential dies when its task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseClass {
    /// Brokered: it never leaves us, so its end is immediate.
    R0,
    /// Revocable, and a negative probe proves that it is dead.
    R1,
    /// Revocable, but the refusal takes a known time to reach everywhere.
    R2,
    /// Ends by its own expiry only.
    R3,
}

impl LeaseClass {
    /// All of them, surest first.
    pub const ALL: [Self; 4] = [Self::R0, Self::R1, Self::R2, Self::R3];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::R0 => "R0",
            Self::R1 => "R1",
            Self::R2 => "R2",
            Self::R3 => "R3",
        }
    }

    /// The same as a sentence for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::R0 => "brokered: it never leaves Remit",
            Self::R1 => "revoked at the end and probed dead",
            Self::R2 => "revoked at the end; the refusal takes a known time to reach everywhere",
            Self::R3 => "ends by its own expiry only",
        }
    }
}

/// Where a lease stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeaseState {
    /// Recorded; the backend may have been asked. What it made, if anything, is found by its name.
    Planned,
    /// The backend said it exists, and the task is open.
    Live,
    /// It must die; the backend has not been seen to refuse it yet.
    Revoking,
    /// The backend took it back, but what it handed out may be honoured until the moment in `expires_at`.
    Fading,
    /// Seen dead: a probe was refused, or it never left us.
    Dead,
    /// Its own expiry has passed; nothing else ended it.
    Expired,
}

impl LeaseState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Planned,
        Self::Live,
        Self::Revoking,
        Self::Fading,
        Self::Dead,
        Self::Expired,
    ];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Live => "live",
            Self::Revoking => "revoking",
            Self::Fading => "fading",
            Self::Dead => "dead",
            Self::Expired => "expired",
        }
    }

    /// True when nothing is left to do or to wait for.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Dead | Self::Expired)
    }

    /// The state after a step to `next`.
    ///
    /// # Errors
    /// [`BadLeaseStep`] when a lease never goes there from here: no lease comes back to life.
    pub fn to(self, next: Self) -> Result<Self, BadLeaseStep> {
        use LeaseState::{Dead, Expired, Fading, Live, Planned, Revoking};
        let allowed = matches!(
            (self, next),
            (Planned, Live | Revoking | Dead)
                | (Live, Revoking | Fading | Dead | Expired)
                | (Revoking, Fading | Dead | Expired)
                | (Fading, Dead | Expired)
        );
        if allowed {
            Ok(next)
        } else {
            Err(BadLeaseStep { from: self, to: next })
        }
    }
}

/// A step no lease takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a lease that is {} never becomes {}", from.as_str(), to.as_str())]
pub struct BadLeaseStep {
    /// Where it stands.
    pub from: LeaseState,
    /// Where it should go.
    pub to: LeaseState,
}

/// A word that is none of a closed list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a class or state of leases")]
pub struct BadLeaseWord(pub String);

impl FromStr for LeaseClass {
    type Err = BadLeaseWord;

    fn from_str(text: &str) -> Result<Self, BadLeaseWord> {
        let found = Self::ALL.into_iter().find(|class| class.as_str() == text);
        found.ok_or_else(|| BadLeaseWord(text.to_owned()))
    }
}

impl FromStr for LeaseState {
    type Err = BadLeaseWord;

    fn from_str(text: &str) -> Result<Self, BadLeaseWord> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| BadLeaseWord(text.to_owned()))
    }
}

/// One credential of one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its id.
    pub id: LeaseId,
    /// The task it dies with.
    pub task: TaskId,
    /// The run it was made for.
    pub run: RunId,
    /// The system it opens.
    pub system: Name,
    /// The kind of backend that made it: `static`, `postgresql`, `oauth`, …
    pub backend: Name,
    /// What the backend knows it by, chosen before it was asked; after it answered, also what it said (an accessor).
    pub handle: String,
    /// How surely it dies.
    pub class: LeaseClass,
    /// Where it stands.
    pub state: LeaseState,
    /// When it was planned.
    pub planned_at: Timestamp,
    /// When it began to die; none while it lives.
    pub ended_at: Option<Timestamp>,
    /// The last moment anybody can use it: at most the task's own end, but for what only expiry ends.
    pub expires_at: Timestamp,
}

/// What may be said about a credential at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// It works while the task does.
    Usable,
    /// It is being ended; a backend may still honour it.
    PossiblyLive(Timestamp),
    /// It is dead.
    Dead,
}

impl Lease {
    /// What may be promised at `now`. Nothing is called dead that was not seen dead or cannot outlive its expiry.
    #[must_use]
    pub fn promise(&self, now: Timestamp) -> Promise {
        match self.state {
            LeaseState::Dead | LeaseState::Expired => Promise::Dead,
            LeaseState::Planned | LeaseState::Live => Promise::Usable,
            LeaseState::Revoking if self.class == LeaseClass::R0 => Promise::Dead,
            LeaseState::Fading if now >= self.expires_at => Promise::Dead,
            LeaseState::Revoking | LeaseState::Fading => Promise::PossiblyLive(self.expires_at),
        }
    }

    /// How long it has been dying at `now`, in milliseconds.
    #[must_use]
    pub fn dying_ms(&self, now: Timestamp) -> Option<i64> {
        let ended = self.ended_at?;
        (!self.state.is_over()).then(|| now.ms_since(ended).max(0))
    }
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usable => f.write_str("usable while the task is open"),
            Self::PossiblyLive(until) => write!(f, "possibly live until {until}"),
            Self::Dead => f.write_str("dead"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    fn lease(class: LeaseClass, state: LeaseState) -> Lease {
        let now = Timestamp(1_000);
        Lease {
            id: LeaseId::fresh(now, &SystemEntropy).unwrap(),
            task: TaskId::fresh(now, &SystemEntropy).unwrap(),
            run: RunId::fresh(now, &SystemEntropy).unwrap(),
            system: "erp".parse().unwrap(),
            backend: "postgresql".parse().unwrap(),
            handle: "remit_x".to_owned(),
            class,
            state,
            planned_at: now,
            ended_at: (state != LeaseState::Live).then_some(now),
            expires_at: Timestamp(5_000),
        }
    }

    #[test]
    fn no_lease_comes_back_to_life() {
        for from in LeaseState::ALL {
            for to in [LeaseState::Planned, LeaseState::Live] {
                let forward = from == LeaseState::Planned && to == LeaseState::Live;
                assert_eq!(from.to(to).is_ok(), forward, "{from:?} → {to:?}");
            }
            for to in LeaseState::ALL {
                assert!(!from.is_over() || from.to(to).is_err(), "{from:?} → {to:?}");
            }
        }
    }

    #[test]
    fn every_state_leads_to_an_end() {
        for from in LeaseState::ALL {
            let ends = LeaseState::ALL
                .into_iter()
                .any(|to| to.is_over() && from.to(to).is_ok());
            assert_eq!(ends, !from.is_over(), "{from:?}");
        }
    }

    #[test]
    fn the_promise_follows_class_and_state() {
        let now = Timestamp(2_000);
        let promise = |class, state| lease(class, state).promise(now);
        assert_eq!(promise(LeaseClass::R1, LeaseState::Live), Promise::Usable);
        assert_eq!(promise(LeaseClass::R0, LeaseState::Revoking), Promise::Dead);
        assert_eq!(
            promise(LeaseClass::R1, LeaseState::Revoking).to_string(),
            "possibly live until 1970-01-01T00:00:05.000Z"
        );
        assert_eq!(promise(LeaseClass::R1, LeaseState::Dead), Promise::Dead);
        let fading = lease(LeaseClass::R3, LeaseState::Fading);
        assert_eq!(
            fading.promise(Timestamp(4_999)),
            Promise::PossiblyLive(Timestamp(5_000))
        );
        assert_eq!(fading.promise(Timestamp(5_000)), Promise::Dead);
        assert_eq!(fading.dying_ms(now), Some(1_000));
        assert_eq!(lease(LeaseClass::R1, LeaseState::Dead).dying_ms(now), None);
    }

    #[test]
    fn words_read_back() {
        for class in LeaseClass::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        for state in LeaseState::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("R4".parse::<LeaseClass>().is_err());
    }
}
