//! Why an append was not made: the engine decides anew, answers, or stops.

use remit_core::id::{ApprovalId, GrantId, TaskId};
use remit_core::task::TaskState;

use super::Epoch;
use crate::error::StoreError;

/// An expectation that did not hold. Nothing was recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The task, or an ancestor, changed since it was read: decide anew.
    #[error("task {task} changed: version {found}, expected {expected}")]
    StaleTask {
        /// The task.
        task: TaskId,
        /// The version the decision was made with.
        expected: i64,
        /// The version it has.
        found: i64,
    },
    /// The task is not open.
    #[error("task {task} is {state}")]
    NotOpen {
        /// The task.
        task: TaskId,
        /// Where it stands.
        state: TaskState,
    },
    /// Policy, registry or kill switch moved on: decide anew.
    #[error("the {epoch} epoch moved from {expected} to {found}")]
    StaleEpoch {
        /// Which.
        epoch: Epoch,
        /// The one the decision was made with.
        expected: i64,
        /// The current one.
        found: i64,
    },
    /// The approval is spent, denied, expired, cancelled, not given yet, or about another call.
    #[error("approval {approval} cannot be used: it is {state}")]
    ApprovalUsed {
        /// The approval.
        approval: ApprovalId,
        /// Where it stands.
        state: &'static str,
    },
    /// The grant is used up, revoked or over.
    #[error("grant {grant} is used up")]
    GrantUsed {
        /// The grant.
        grant: GrantId,
    },
    /// The budget does not last.
    #[error("budget {budget} of task {task} is used up: {used} of {max} used, {asked} more asked")]
    BudgetExceeded {
        /// The task whose budget it is.
        task: TaskId,
        /// The budget, as its text form.
        budget: String,
        /// The most there is.
        max: u64,
        /// What is used.
        used: u64,
        /// What was asked for.
        asked: u64,
    },
    /// The run carries labels the decision did not know of: decide anew.
    #[error("the labels of the run changed")]
    StaleLabels,
    /// Something with this key exists already.
    #[error("`{key}` exists already in {what}")]
    Duplicate {
        /// The table.
        what: &'static str,
        /// The key.
        key: String,
    },
    /// The row changed since it was read: read it again.
    #[error("`{key}` in {what} changed since it was read")]
    Stale {
        /// The table.
        what: &'static str,
        /// The key.
        key: String,
    },
    /// There is no such row.
    #[error("there is no `{key}` in {what}")]
    NotFound {
        /// The table.
        what: &'static str,
        /// The key.
        key: String,
    },
    /// The change is not one the state machine has, or would widen what may only narrow.
    #[error("{0}")]
    NotAllowed(String),
}

/// What `apply` may answer: an expectation that failed, or a store that did.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApplyError {
    /// An expectation did not hold.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// State could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why there is no receipt.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// An expectation did not hold; nothing was recorded.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The record cannot be written down; nothing was recorded.
    #[error("the record is refused: {0}")]
    Record(#[from] remit_ledger::record::RecordError),
    /// State could not be read or written; nothing was recorded.
    #[error(transparent)]
    Store(StoreError),
    /// No room on the disk; nothing was recorded, and reads go on.
    #[error("the disk is full: nothing can be recorded, so nothing may happen; free some space")]
    Full,
    /// The store has stopped. What was being appended may or may not be recorded.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}

impl From<ApplyError> for AppendError {
    fn from(error: ApplyError) -> Self {
        match error {
            ApplyError::Refused(refused) => Self::Refused(refused),
            ApplyError::Store(error) => Self::Store(error),
        }
    }
}
