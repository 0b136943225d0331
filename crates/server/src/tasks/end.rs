//! Ending a task: its authority is gone with the append; what is under way is cut, links close, waiting calls are told.

use std::sync::Arc;

use remit_core::approval::ApprovalState;
use remit_core::id::{ApprovalId, RunId, TaskId};
use remit_core::json::Value;
use remit_core::name::Name;
use remit_core::task::{Ending, Task, TaskState};
use remit_core::time::Timestamp;
use remit_enforce::Cut;
use remit_ledger::record::Record;
use remit_store::runs::Process;
use remit_store::tasks::Ended;

use crate::app::{App, Failure};
use crate::engine::{record, session};

/// Tasks ended in one go of the expiry job.
const DUE_AT_ONCE: u32 = 64;
/// Calls under way that one record names; a longer list would not fit.
const IN_RECORD_MAX: usize = 1000;

/// What was under way when authority was taken away.
#[derive(Clone, Debug, Default)]
pub struct Gone {
    /// Tasks that ended now.
    pub tasks: Vec<TaskId>,
    /// Calls that had been let out and had no outcome yet.
    pub in_flight: Vec<InFlight>,
    /// Processes that are still alive and have no authority any more.
    pub alive: Vec<Alive>,
}

/// A call that was under way.
#[derive(Clone, Debug)]
pub struct InFlight {
    /// Its id.
    pub call: String,
    /// When it was let out.
    pub since: Timestamp,
}

/// A process that outlives its authority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alive {
    /// Process id.
    pub pid: i64,
    /// The run it was.
    pub run: RunId,
    /// The task it worked on.
    pub task: TaskId,
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

/// Ends a task and everything delegated from it. It asks nothing of what may be busy: reads and the append have lanes of
/// their own.
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
    let tree = app
        .store
        .read_urgent(move |conn| Ok::<_, Failure>(remit_store::tasks::tree(conn, task)?))
        .await?;
    let Some(root) = tree.first() else {
        return Err(Failure::NotFound(format!(
            "no task `{task}`: see `remit task list --all`"
        )));
    };
    let entry = ended_entry(&root.task, ending, by, why);
    let under = under_way(app, tree.iter().map(|stored| stored.task.id).collect()).await?;
    let entry = with_in_flight(entry, &under.in_flight);
    let (_, ended): (_, Ended) = app
        .store
        .append_urgent(entry, move |tx| remit_store::tasks::end(tx, task, ending))
        .await?;
    for gone in &ended.tasks {
        cut(app, *gone, if *gone == task { ending } else { below(ending) });
    }
    for approval in &under.waiting {
        app.rooms.ring(*approval);
    }
    Ok(under.gone(ended.tasks))
}

/// How what is below a task ends with it.
const fn below(ending: Ending) -> Ending {
    match ending {
        Ending::Completed | Ending::Cancelled => Ending::Cancelled,
        Ending::Expired | Ending::Revoked => ending,
    }
}

/// The record of an end.
pub(super) fn ended_entry(task: &Task, ending: Ending, by: &Name, why: &str) -> Record {
    let mut entry = record::of_task("task.end", task);
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("ending", ending.as_str());
    if !why.is_empty() {
        entry.detail.insert("why", why);
    }
    entry
}

/// The same with the calls that were under way.
pub(super) fn with_in_flight(mut entry: Record, in_flight: &[InFlight]) -> Record {
    if !in_flight.is_empty() {
        let calls: Vec<Value> = in_flight
            .iter()
            .take(IN_RECORD_MAX)
            .map(|call| Value::from(call.call.as_str()))
            .collect();
        entry.detail.insert("in_flight", calls);
    }
    entry
}

/// Cuts everything under way for an ended task; it is refused from memory from now on.
pub(super) fn cut(app: &Arc<App>, task: TaskId, ending: Ending) {
    if let Some(live) = app.live.by_task(task) {
        live.cut(Cut::Ended);
        session::stand(&app.world(), &live, TaskState::Ended(ending));
    }
    app.pulses.forget(task);
    app.subscriptions.end_task(task);
    crate::broker::task_ended(app, task);
    app.egress.end_task(task);
    for link in app.links.take_task(task) {
        app.background.spawn(async move { link.connection.close().await });
    }
}

/// What hangs on tasks that are about to end.
#[derive(Debug, Default)]
pub(super) struct UnderWay {
    /// Approvals somebody may be waiting for.
    pub waiting: Vec<ApprovalId>,
    /// Calls without an outcome.
    pub in_flight: Vec<InFlight>,
    processes: Vec<(Process, Alive)>,
}

impl UnderWay {
    /// What there is to tell, with the processes as they are now.
    pub fn gone(self, tasks: Vec<TaskId>) -> Gone {
        let alive = self.processes.into_iter();
        Gone {
            tasks,
            in_flight: self.in_flight,
            alive: alive
                .filter(|(process, _)| process.pid > 0 && !super::pulse::is_gone(*process))
                .filter(|(process, _)| u32::try_from(process.pid).is_ok())
                .map(|(_, alive)| alive)
                .collect(),
        }
    }
}

/// Looks at what hangs on these tasks.
pub(super) async fn under_way(app: &Arc<App>, tasks: Vec<TaskId>) -> Result<UnderWay, Failure> {
    app.store
        .read_urgent(move |conn| -> Result<_, Failure> {
            let mut under = UnderWay::default();
            for id in tasks {
                for state in [ApprovalState::Pending, ApprovalState::Approved] {
                    let waiting = remit_store::approvals::of_task(conn, id, state)?;
                    under
                        .waiting
                        .extend(waiting.iter().map(|stored| stored.approval.id));
                }
                let open = remit_store::calls::open_of(conn, id)?;
                under.in_flight.extend(open.into_iter().map(|call| InFlight {
                    call: call.id.to_string(),
                    since: call.opened_at,
                }));
                let runs = remit_store::runs::of_task(conn, id)?;
                under.processes.extend(runs.iter().filter_map(|run| {
                    let process = run.process?;
                    let alive = Alive {
                        pid: process.pid,
                        run: run.run.id,
                        task: id,
                    };
                    Some((process, alive))
                }));
            }
            Ok(under)
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
