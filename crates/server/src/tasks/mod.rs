//! Tasks: opened, amended, delegated, renewed, suspended, ended.

pub mod about;
pub mod amend;
pub mod builtin;
pub mod end;
pub mod kill;
pub mod open;
pub mod process;
pub mod pulse;
pub mod renew;
mod rights;
pub mod token;

use std::sync::Arc;

use remit_core::id::TaskId;
use remit_core::json::Object;
use remit_core::name::Name;
use remit_core::people::Role;

pub use amend::{Change, amend};
pub use renew::{renew, resume};

use crate::app::{App, Failure};
use crate::engine::{record, session};

/// Suspends a task and everything below it.
///
/// # Errors
/// [`Failure`] when it is not open.
pub async fn suspend(app: &Arc<App>, task: TaskId, by: &Name, why: &str) -> Result<(), Failure> {
    let live = session::of_task(app, task).await?;
    let mut entry = record::of_task("task.suspend", &live.snapshot().task);
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("why", why);
    let (_, changed) = app
        .store
        .append_urgent(entry, move |tx| remit_store::tasks::suspend(tx, task))
        .await?;
    follow(app, &changed).await
}

/// Refuses everybody but the initiator of a task and administrators.
pub(crate) fn expect_initiator(app: &App, initiator: &Name, by: &Name) -> Result<(), Failure> {
    if initiator == by {
        return Ok(());
    }
    crate::people::expect_role(app, by, &Role::Administrator).map_err(|_| {
        Failure::Forbidden(format!(
            "only {initiator}, who opened this task, or an administrator may do this"
        ))
    })
}

/// Reads changed tasks again where they are in memory: what is under way notices at once.
pub(crate) async fn follow(app: &Arc<App>, changed: &[TaskId]) -> Result<(), Failure> {
    for task in changed {
        if let Some(live) = app.live.by_task(*task) {
            session::reload(app, &live).await?;
        }
    }
    Ok(())
}

/// What a task has done so far, from the ledger.
///
/// # Errors
/// [`Failure::Unavailable`] when the ledger cannot be read.
pub async fn counts(app: &Arc<App>, task: TaskId) -> Result<Object, Failure> {
    let records = crate::evidence::of_task(app, task, 0, u32::MAX).await?;
    let mut counts = Object::new();
    for effect in ["allow", "hold", "deny"] {
        let count = records
            .iter()
            .filter(|record| record.kind == "decision" && record.decision.as_deref() == Some(effect))
            .count();
        counts.insert(effect, i64::try_from(count).unwrap_or(i64::MAX));
    }
    Ok(counts)
}
