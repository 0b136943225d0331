//! Kill: authority taken away at once, for a task, a run, an agent, or everything. Idempotent.

use std::sync::Arc;

use remit_core::id::{RunId, TaskId};
use remit_core::name::Name;
use remit_core::task::Ending;
use remit_store::tasks::Filter;

use super::end::{Gone, end};
use crate::app::{App, Failure};

/// Tasks ended by one kill at most.
const AT_ONCE: u32 = 100_000;

/// What to kill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One task and everything below it.
    Task(TaskId),
    /// The task whose authority a run holds.
    Run(RunId),
    /// All tasks of an agent.
    Agent(Name),
    /// All tasks.
    All,
}

impl Target {
    /// Reads `task_…`, `run_…`, `agent:NAME`, `NAME` or `all`.
    ///
    /// # Errors
    /// A sentence with what can be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad =
            || format!("`{text}` names nothing to kill: write a task id, a run id, `agent:NAME` or `all`");
        if text == "all" {
            return Ok(Self::All);
        }
        if text.starts_with("task_") {
            return text.parse().map(Self::Task).map_err(|_| bad());
        }
        if text.starts_with("run_") {
            return text.parse().map(Self::Run).map_err(|_| bad());
        }
        text.strip_prefix("agent:")
            .unwrap_or(text)
            .parse()
            .map(Self::Agent)
            .map_err(|_| bad())
    }
}

/// Takes authority away.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such task, run or agent.
pub async fn kill(app: &Arc<App>, target: Target, by: &Name, why: &str) -> Result<Gone, Failure> {
    match target {
        Target::Task(task) => end(app, task, Ending::Revoked, by, why).await,
        Target::Run(run) => {
            let task = match app.live.task_of_run(run) {
                Some(task) => task,
                None => task_of(app, run).await?,
            };
            end(app, task, Ending::Revoked, by, why).await
        }
        Target::Agent(name) => {
            if !app.world().agents.contains_key(&name) {
                return Err(Failure::NotFound(format!("no agent `{name}` is registered")));
            }
            agent(app, &name, by, why).await
        }
        Target::All => {
            every(
                app,
                Filter {
                    live: true,
                    ..Filter::default()
                },
                by,
                why,
            )
            .await
        }
    }
}

async fn task_of(app: &Arc<App>, run: RunId) -> Result<TaskId, Failure> {
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::runs::get(conn, run)?))
        .await?;
    stored
        .map(|stored| stored.run.task)
        .ok_or_else(|| Failure::NotFound(format!("no run `{run}`")))
}

/// Ends all tasks of an agent.
///
/// # Errors
/// [`Failure::Unavailable`] when one cannot be recorded.
pub async fn agent(app: &Arc<App>, name: &Name, by: &Name, why: &str) -> Result<Gone, Failure> {
    every(
        app,
        Filter {
            live: true,
            agent: Some(name.clone()),
            ..Filter::default()
        },
        by,
        why,
    )
    .await
}

async fn every(app: &Arc<App>, filter: Filter, by: &Name, why: &str) -> Result<Gone, Failure> {
    // Cut first: nothing that is under way waits for its turn to be recorded.
    for live in app.live.all() {
        let snapshot = live.snapshot();
        if filter
            .agent
            .as_ref()
            .is_none_or(|agent| *agent == snapshot.task.agent)
        {
            live.cut(remit_enforce::Cut::Ended);
        }
    }
    let tasks = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::tasks::list(conn, &filter, AT_ONCE)?))
        .await?;
    let mut gone = Gone::default();
    for stored in tasks {
        let one = end(app, stored.task.id, Ending::Revoked, by, why).await?;
        gone.tasks.extend(one.tasks);
        gone.in_flight.extend(one.in_flight);
        gone.processes.extend(one.processes);
    }
    Ok(gone)
}
