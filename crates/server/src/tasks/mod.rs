//! Tasks: opened, narrowed, renewed, suspended, ended.

pub mod end;
pub mod kill;
pub mod open;
pub mod process;
pub mod token;

use std::sync::Arc;

use remit_core::authority::Authority;
use remit_core::id::TaskId;
use remit_core::json::Object;
use remit_core::limits::TASK_TTL_MS_MAX;
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::time::Timestamp;

use crate::app::{App, Failure};
use crate::engine::{record, session};

/// Narrows a task's authority or window. What would be wider is cut, never taken: widening needs a new task.
///
/// # Errors
/// [`Failure`] when it is not live, or the person is not its initiator or an administrator.
pub async fn amend(
    app: &Arc<App>,
    task: TaskId,
    limit: Authority,
    expires_at: Option<Timestamp>,
    by: &Name,
) -> Result<(), Failure> {
    let live = session::of_task(app, task).await?;
    expect_initiator(app, &live.snapshot().task.initiator, by)?;
    let snapshot = live.snapshot();
    let mut entry = record::of_task("task.amend", &snapshot.task);
    entry.detail.insert("by", by.as_str());
    entry
        .detail
        .insert("authority", remit_store::codec::authority_to_json(&limit));
    let (version, until) = (
        snapshot.task.version,
        expires_at.unwrap_or(snapshot.task.expires_at),
    );
    let (_, changed) = app
        .store
        .append_urgent(entry, move |tx| {
            remit_store::tasks::narrow(tx, task, version, &limit, until)
        })
        .await?;
    follow(app, &changed).await
}

/// Moves the end of a task's window: a decision over present facts, never a silent extension.
///
/// # Errors
/// [`Failure`] when it is not live, the agent may not act any more, or the person is not its initiator.
pub async fn renew(app: &Arc<App>, task: TaskId, ttl_ms: i64, by: &Name) -> Result<Timestamp, Failure> {
    let live = session::of_task(app, task).await?;
    let snapshot = live.snapshot();
    expect_initiator(app, &snapshot.task.initiator, by)?;
    let world = app.world();
    open::expect_agent(&world, &snapshot.task.agent)?;
    let expires_at = app.clock.now().plus_ms(ttl_ms.clamp(1, TASK_TTL_MS_MAX));
    let mut entry = record::of_task("task.renew", &snapshot.task);
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("expires_at", expires_at.to_string());
    entry.policy_version = Some(world.policy.version().to_string());
    let (epochs, version) = (world.epochs, snapshot.task.version);
    app.store
        .append(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            let limit = Authority::unbounded();
            remit_store::tasks::renew(tx, task, version, &limit, expires_at)
        })
        .await?;
    follow(app, &[task]).await?;
    Ok(expires_at)
}

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

/// Opens a suspended task again.
///
/// # Errors
/// [`Failure`] when it is not suspended, or the person is not its initiator or an administrator.
pub async fn resume(app: &Arc<App>, task: TaskId, by: &Name) -> Result<(), Failure> {
    let live = session::of_task(app, task).await?;
    expect_initiator(app, &live.snapshot().task.initiator, by)?;
    let version = live.snapshot().task.version;
    let mut entry = record::of_task("task.resume", &live.snapshot().task);
    entry.detail.insert("by", by.as_str());
    let (_, changed) = app
        .store
        .append(entry, move |tx| {
            remit_store::tasks::resume(tx, task, version, &Authority::unbounded())
        })
        .await?;
    live.denials_in_a_row
        .store(0, std::sync::atomic::Ordering::Relaxed);
    follow(app, &changed).await
}

/// Refuses everybody but the initiator of a task and administrators.
fn expect_initiator(app: &App, initiator: &Name, by: &Name) -> Result<(), Failure> {
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
