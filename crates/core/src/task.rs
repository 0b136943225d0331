//! Tasks and runs: one objective, its authority, and the states between open and ended.

use std::fmt;

use crate::authority::Authority;
use crate::confinement::Confinement;
use crate::id::{RunId, TaskId};
use crate::name::Name;
use crate::time::Timestamp;

/// Why a task exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Intent {
    /// What shall be reached.
    pub goal: String,
    /// What it is for; may be empty.
    pub purpose: String,
}

/// How a run acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Proposes; no side effects.
    Assist,
    /// Acts.
    Execute,
    /// Delegates only.
    Coordinate,
}

impl Mode {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assist => "assist",
            Self::Execute => "execute",
            Self::Coordinate => "coordinate",
        }
    }

    /// The mode of a task delegated from one in this mode: who proposes has nobody act for it.
    #[must_use]
    pub const fn delegate(self, asked: Self) -> Self {
        match self {
            Self::Assist => Self::Assist,
            Self::Execute | Self::Coordinate => asked,
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Assist, Self::Execute, Self::Coordinate]
            .into_iter()
            .find(|m| m.as_str() == text)
    }
}

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ending {
    /// Its run or its initiator said it is done.
    Completed,
    /// Its initiator gave it up.
    Cancelled,
    /// Its window closed.
    Expired,
    /// Somebody took the authority away.
    Revoked,
}

impl Ending {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Where a task stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TaskState {
    /// Its authority counts.
    Open,
    /// Its authority does not count for now.
    Suspended,
    /// Its authority is gone for good.
    Ended(Ending),
}

impl TaskState {
    /// `open`, `suspended`, `completed`, `cancelled`, `expired` or `revoked`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Suspended => "suspended",
            Self::Ended(ending) => ending.as_str(),
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Open,
            Self::Suspended,
            Self::Ended(Ending::Completed),
            Self::Ended(Ending::Cancelled),
            Self::Ended(Ending::Expired),
            Self::Ended(Ending::Revoked),
        ]
        .into_iter()
        .find(|s| s.as_str() == text)
    }
}

/// A change of state that the machine does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the task is {from}: it cannot become {to}")]
pub struct NoTransition {
    /// The state it is in.
    pub from: &'static str,
    /// The state that was wanted.
    pub to: &'static str,
}

impl TaskState {
    /// The state after moving to `next`. Ended is final; ending an ended task is refused here and treated as done by
    /// callers that must be idempotent.
    ///
    /// # Errors
    /// [`NoTransition`] when the machine has no such edge.
    pub fn to(self, next: Self) -> Result<Self, NoTransition> {
        match (self, next) {
            (Self::Open, Self::Suspended | Self::Ended(_))
            | (Self::Suspended, Self::Open | Self::Ended(_)) => Ok(next),
            _ => Err(NoTransition {
                from: self.as_str(),
                to: next.as_str(),
            }),
        }
    }
}

/// How long a task may live, beyond its window: each is a bound nobody moves by renewing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Life {
    /// A sign of life is due this often, in milliseconds; two missed in a row end the task.
    pub heartbeat_ms: Option<i64>,
    /// Without a call for this long, in milliseconds, the task ends.
    pub idle_ms: Option<i64>,
    /// No renewal goes beyond this moment.
    pub ends_by: Option<Timestamp>,
}

/// One objective.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// Id.
    pub id: TaskId,
    /// The task this one was delegated from.
    pub parent: Option<TaskId>,
    /// The human or system that opened it.
    pub initiator: Name,
    /// The agent that works on it.
    pub agent: Name,
    /// The run that holds its authority.
    pub run: RunId,
    /// Why.
    pub intent: Intent,
    /// How.
    pub mode: Mode,
    /// The template it came from.
    pub template: Option<Name>,
    /// What it allows, after every intersection.
    pub authority: Authority,
    /// What was asked for and cut at opening, one sentence each.
    pub cut: Vec<String>,
    /// Where it stands.
    pub state: TaskState,
    /// Grows with every change of this task or of an ancestor; decisions expect it.
    pub version: i64,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When its window closes.
    pub expires_at: Timestamp,
    /// Bounds on its whole life.
    pub life: Life,
    /// A stranger asked for it, or it was delegated from such a task.
    pub untrusted: bool,
}

/// One attested execution of an agent: the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Id.
    pub id: RunId,
    /// The agent.
    pub agent: Name,
    /// The task whose authority it holds.
    pub task: TaskId,
    /// How well it is shut in.
    pub confinement: Confinement,
}

impl Run {
    /// `spiffe://<trust-domain>/agent/<agent>/run/<run>` (SPIFFE-ID, 2).
    #[must_use]
    pub fn spiffe_id(&self, trust_domain: &str) -> String {
        format!("spiffe://{trust_domain}/agent/{}/run/{}", self.agent, self.id)
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ended_is_final() {
        let states = [
            TaskState::Open,
            TaskState::Suspended,
            TaskState::Ended(Ending::Revoked),
        ];
        for ending in [
            Ending::Completed,
            Ending::Cancelled,
            Ending::Expired,
            Ending::Revoked,
        ] {
            for next in states {
                assert!(TaskState::Ended(ending).to(next).is_err());
            }
            assert_eq!(
                TaskState::Suspended.to(TaskState::Ended(ending)),
                Ok(TaskState::Ended(ending))
            );
        }
        assert_eq!(TaskState::Suspended.to(TaskState::Open), Ok(TaskState::Open));
        assert!(TaskState::Open.to(TaskState::Open).is_err());
    }
}
