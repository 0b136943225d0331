//! Ending a task: its authority is gone with the append; what is under way is cut, links close, waiting calls are told.

use std::sync::Arc;

use remit_core::approval::ApprovalState;
use remit_core::id::{ApprovalId, TaskId};
use remit_core::json::Value;
use remit_core::name::Name;
use remit_core::task::Ending;
use remit_core::time::Timestamp;
use remit_enforce::Cut;
use remit_store::tasks::Ended;

use crate::app::{App, Failure};
use crate::engine::{record, session};

/// Tasks ended in one go of the expiry job.
const DUE_AT_ONCE: u32 = 64;

/// What was under way when a task ended.
#[derive(Clone, Debug, Default)]
pub struct Gone {
    /// Tasks that ended now.
    pub tasks: Vec<TaskId>,
    /// Calls that had been let out and had no outcome yet.
    pub in_flight: Vec<InFlight>,
    /// Processes of the runs, as far as they are known.
    pub processes: Vec<i64>,
}

/// A call that was under way.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// Its id.
    pub call: String,
    /// When it was let out.
    pub since: Timestamp,
}

/// Ends a task for its initiator, an administrator, or its own run (`by` is then the agent).
///
/// # Errors
/// [`Failure`] when it is unknown or the person may not. Ending an ended task is done already.
pub async fn done(app: &Arc<App>, task: TaskId, ending: Ending, by: &Name) -> Result<Gone, Failure> {
    let live = session::of_task(app, task).await?;
    super::expect_initiator(app, &live.snapshot().task.initiator, by)?;
    end(app, task, ending, by, "").await
}

/// Ends a task and everything delegated from it.
///
/// # Errors
/// [`Failure`] when it is unknown or cannot be recorded.
pub async fn end(
    app: &Arc<App>,
    task: TaskId,
    ending: Ending,
    by: &Name,
    why: &str,
) -> Result<Gone, Failure> {
    let live = session::of_task(app, task).await?;
    let snapshot = live.snapshot();
    let (waiting, in_flight, processes) = under_way(app, task).await?;
    let mut entry = record::of_task("task.end", &snapshot.task);
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("ending", ending.as_str());
    if !why.is_empty() {
        entry.detail.insert("why", why);
    }
    if !in_flight.is_empty() {
        let calls: Vec<Value> = in_flight
            .iter()
            .map(|call| Value::from(call.call.as_str()))
            .collect();
        entry.detail.insert("in_flight", calls);
    }
    let (_, ended): (_, Ended) = app
        .store
        .append_urgent(entry, move |tx| remit_store::tasks::end(tx, task, ending))
        .await?;
    for task in &ended.tasks {
        cut(app, *task).await?;
    }
    for approval in waiting {
        app.rooms.ring(approval);
    }
    Ok(Gone {
        tasks: ended.tasks,
        in_flight,
        processes,
    })
}

/// Cuts everything under way for an ended task and forgets it.
async fn cut(app: &Arc<App>, task: TaskId) -> Result<(), Failure> {
    if let Some(live) = app.live.by_task(task) {
        live.cut(Cut::Ended);
        session::reload(app, &live).await?;
    }
    app.subscriptions.end_task(task);
    crate::broker::task_ended(app, task);
    app.egress.end_task(app, task);
    for link in app.links.take_task(task) {
        app.background.spawn(async move { link.connection.close().await });
    }
    Ok(())
}

async fn under_way(
    app: &Arc<App>,
    task: TaskId,
) -> Result<(Vec<ApprovalId>, Vec<InFlight>, Vec<i64>), Failure> {
    app.store
        .read(move |conn| -> Result<_, Failure> {
            let mut waiting = Vec::new();
            let mut in_flight = Vec::new();
            let mut processes = Vec::new();
            for stored in remit_store::tasks::tree(conn, task)? {
                let id = stored.task.id;
                for state in [ApprovalState::Pending, ApprovalState::Approved] {
                    waiting.extend(
                        remit_store::approvals::of_task(conn, id, state)?
                            .iter()
                            .map(|a| a.approval.id),
                    );
                }
                let open = remit_store::calls::open_of(conn, id)?;
                in_flight.extend(open.into_iter().map(|call| InFlight {
                    call: call.id.to_string(),
                    since: call.opened_at,
                }));
                let runs = remit_store::runs::of_task(conn, id)?;
                processes.extend(
                    runs.iter()
                        .filter_map(|run| run.process)
                        .map(|process| process.pid),
                );
            }
            Ok((waiting, in_flight, processes))
        })
        .await
}

/// Ends every task whose window has closed.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read or written.
pub async fn expire(app: &Arc<App>) -> Result<usize, Failure> {
    let now = app.clock.now();
    let due = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::tasks::due(conn, now, DUE_AT_ONCE)?))
        .await?;
    let count = due.len();
    for stored in due {
        end(
            app,
            stored.task.id,
            Ending::Expired,
            &app.me.clone(),
            "its window closed",
        )
        .await?;
    }
    Ok(count)
}
