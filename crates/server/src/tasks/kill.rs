//! Kill: authority taken away at once, for a task, a run, an agent, an owner, a tool, a destination, or everything.
//! Idempotent: what is gone already is no error.

use std::sync::Arc;

use remit_core::id::{RunId, TaskId};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::resource::Resource;
use remit_core::task::Ending;
use remit_core::time::Timestamp;
use remit_core::tool::{ToolRef, ToolState};
use remit_ledger::record::Record;
use remit_store::tasks::{Ended, Filter};
use remit_store::{Epoch, Refused};

use super::end::{Gone, cut, end, ended_entry, under_way, with_in_flight};
use crate::app::{App, Failure};
use crate::engine::flights::Flight;
use crate::engine::record;
use crate::engine::world::STOPPED_SYSTEM;

/// Tasks ended by one kill at most.
const AT_ONCE: u32 = 100_000;
/// A stop holds until it is lifted.
const UNTIL_LIFTED: Timestamp = Timestamp(i64::MAX / 2);

/// What to kill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One task and everything below it.
    Task(TaskId),
    /// The task whose authority a run holds.
    Run(RunId),
    /// All tasks of an agent.
    Agent(Name),
    /// All tasks a human opened, and all of the agents they own.
    Owner(Name),
    /// A tool: retired for everybody.
    Tool(ToolRef),
    /// A host: nothing goes there until the stop is lifted.
    Host(Resource),
    /// All tasks.
    All,
}

impl Target {
    /// Reads `task_…`, `run_…`, `agent:NAME`, `NAME`, `human:NAME`, `SERVER/TOOL`, `host:NAME` or `all`.
    ///
    /// # Errors
    /// A sentence with what can be written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            let shown = crate::approvals::card::escape(text);
            format!(
                "`{shown}` names nothing to kill: write a task id, a run id, `agent:NAME`, `human:NAME`, `SERVER/TOOL`, `host:NAME` or `all`"
            )
        };
        if text == "all" {
            return Ok(Self::All);
        }
        if text.starts_with("task_") {
            return text.parse().map(Self::Task).map_err(|_| bad());
        }
        if text.starts_with("run_") {
            return text.parse().map(Self::Run).map_err(|_| bad());
        }
        if let Some(host) = text.strip_prefix("host:") {
            return host_resource(host).ok_or_else(bad).map(Self::Host);
        }
        if let Some(human) = text.strip_prefix("human:") {
            return human.parse().map(Self::Owner).map_err(|_| bad());
        }
        let tool = text.strip_prefix("tool:").unwrap_or(text);
        if tool.contains('/') {
            return tool.parse().map(Self::Tool).map_err(|_| bad());
        }
        text.strip_prefix("agent:")
            .unwrap_or(text)
            .parse()
            .map(Self::Agent)
            .map_err(|_| bad())
    }
}

/// A host as what is stopped: lower case, no port, no path.
fn host_resource(host: &str) -> Option<Resource> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let plain = !host.is_empty()
        && host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    let system: Name = STOPPED_SYSTEM.parse().ok()?;
    if plain {
        Resource::new(system, &host).ok()
    } else {
        None
    }
}

/// Takes authority away.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such task, run, agent, human or tool.
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
        Target::Owner(name) => {
            let world = app.world();
            if !world.humans.contains_key(&name) {
                return Err(Failure::NotFound(format!("no human `{name}` is registered")));
            }
            let mut filters = vec![Filter {
                live: true,
                initiator: Some(name.clone()),
                ..Filter::default()
            }];
            let owned = world.agents.values().filter(|agent| agent.owner == name);
            filters.extend(owned.map(|agent| of_agent(&agent.name)));
            every(app, &format!("human:{name}"), filters, by, why).await
        }
        Target::Tool(tool) => retire(app, tool, by, why).await,
        Target::Host(host) => stop(app, host, by, why).await,
        Target::All => {
            let all = Filter {
                live: true,
                ..Filter::default()
            };
            every(app, "all", vec![all], by, why).await
        }
    }
}

async fn task_of(app: &Arc<App>, run: RunId) -> Result<TaskId, Failure> {
    let stored = app
        .store
        .read_urgent(move |conn| Ok::<_, Failure>(remit_store::runs::get(conn, run)?))
        .await?;
    stored
        .map(|stored| stored.run.task)
        .ok_or_else(|| Failure::NotFound(format!("no run `{run}`")))
}

fn of_agent(name: &Name) -> Filter {
    Filter {
        live: true,
        agent: Some(name.clone()),
        ..Filter::default()
    }
}

/// Ends all tasks of an agent.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub async fn agent(app: &Arc<App>, name: &Name, by: &Name, why: &str) -> Result<Gone, Failure> {
    every(app, &format!("agent:{name}"), vec![of_agent(name)], by, why).await
}

/// Ends every task one of `filters` selects, and everything below, in one append; those that open while it is made
/// included. Each end is then recorded for its task.
async fn every(
    app: &Arc<App>,
    target: &str,
    filters: Vec<Filter>,
    by: &Name,
    why: &str,
) -> Result<Gone, Failure> {
    // Cut first: nothing that is under way waits for its turn to be recorded.
    for live in app.live.all() {
        let snapshot = live.snapshot();
        let selected = filters.iter().any(|filter| {
            filter
                .agent
                .as_ref()
                .is_none_or(|agent| *agent == snapshot.task.agent)
                && filter
                    .initiator
                    .as_ref()
                    .is_none_or(|initiator| *initiator == snapshot.task.initiator)
        });
        if selected {
            live.cut(remit_enforce::Cut::Ended);
        }
    }
    let looked = filters.clone();
    let roots = app
        .store
        .read_urgent(move |conn| Ok::<_, Failure>(select(conn, &looked)?))
        .await?;
    let under = under_way(app, roots).await?;
    let entry = with_in_flight(entry(target, by, why), &under.in_flight);
    let (_, ended) = app
        .store
        .append_urgent(entry, move |tx| {
            let mut ended = Ended::default();
            for task in select(tx, &filters)? {
                let more = remit_store::tasks::end(tx, task, Ending::Revoked)?;
                ended.tasks.extend(more.tasks);
                ended.runs.extend(more.runs);
            }
            // Whatever was decided before this record is decided again.
            tx.bump(Epoch::Kill);
            Ok(ended)
        })
        .await?;
    for task in &ended.tasks {
        cut(app, *task, Ending::Revoked);
    }
    for approval in &under.waiting {
        app.rooms.ring(*approval);
    }
    each(app, &ended.tasks, target, by, why).await?;
    app.reload_urgent().await?;
    Ok(under.gone(ended.tasks))
}

fn select(conn: &mut remit_store::Conn, filters: &[Filter]) -> Result<Vec<TaskId>, remit_store::StoreError> {
    let mut tasks = Vec::new();
    for filter in filters {
        for stored in remit_store::tasks::list(conn, filter, AT_ONCE)? {
            tasks.push(stored.task.id);
        }
    }
    Ok(tasks)
}

/// The record of a kill.
fn entry(target: &str, by: &Name, why: &str) -> Record {
    let mut detail = Object::new();
    detail.insert("target", target);
    if !why.is_empty() {
        detail.insert("why", why);
    }
    record::by_human("kill", by, detail)
}

/// One record of its end for each task, so that its own history has it.
async fn each(app: &Arc<App>, tasks: &[TaskId], target: &str, by: &Name, why: &str) -> Result<(), Failure> {
    let ids = tasks.to_vec();
    let ended = app
        .store
        .read_urgent(move |conn| -> Result<_, Failure> {
            let mut ended = Vec::new();
            for id in ids {
                ended.extend(remit_store::tasks::get(conn, id)?);
            }
            Ok(ended)
        })
        .await?;
    let recording = ended.iter().map(|stored| {
        let mut entry = ended_entry(&stored.task, Ending::Revoked, by, why);
        entry.detail.insert("kill", target);
        app.store.append_urgent(entry, |_| Ok(()))
    });
    for recorded in futures_util::future::join_all(recording).await {
        recorded?;
    }
    Ok(())
}

/// Retires a tool for everybody and cuts its calls.
async fn retire(app: &Arc<App>, tool: ToolRef, by: &Name, why: &str) -> Result<Gone, Failure> {
    if app.world().registry.tool(&tool).is_none() || super::builtin::is(&tool.server) {
        return Err(Failure::NotFound(format!(
            "no tool `{tool}` is registered: see `remit tools ls`"
        )));
    }
    let flown = app.flights.cut(|flight| flight.tool.as_ref() == Some(&tool));
    let entry = with_in_flight(entry(&format!("tool:{tool}"), by, why), &Flight::told(&flown));
    let name = tool.clone();
    app.store
        .append_urgent(entry, move |tx| {
            let Some(mut stored) = remit_store::tools::get(tx, &name)? else {
                return Err(Refused::NotFound {
                    what: "tools",
                    key: name.to_string(),
                }
                .into());
            };
            if stored.tool.state != ToolState::Retired {
                stored.tool.state = ToolState::Retired;
                remit_store::tools::put(tx, &stored)?;
            }
            tx.bump(Epoch::Registry);
            tx.bump(Epoch::Kill);
            Ok(())
        })
        .await?;
    // Between the look and the record others may have been let out.
    let late = app.flights.cut(|flight| flight.tool.as_ref() == Some(&tool));
    app.reload_urgent().await?;
    Ok(Gone {
        in_flight: Flight::told(&[flown, late].concat()),
        ..Gone::default()
    })
}

/// Lets nothing go to a host any more, until the stop is lifted.
async fn stop(app: &Arc<App>, host: Resource, by: &Name, why: &str) -> Result<Gone, Failure> {
    let hits = |flight: &Flight| {
        flight
            .hosts
            .iter()
            .any(|at| crate::engine::world::is_below(at, &host))
    };
    let flown = app.flights.cut(hits);
    let entry = with_in_flight(entry(&host.to_string(), by, why), &Flight::told(&flown));
    let freeze = remit_store::freezes::Freeze {
        resource: host.clone(),
        until: UNTIL_LIFTED,
        placed_by: by.clone(),
        why: why.to_owned(),
        lifted: false,
    };
    app.store
        .append_urgent(entry, move |tx| {
            remit_store::freezes::place(tx, &freeze)?;
            tx.bump(Epoch::Registry);
            tx.bump(Epoch::Kill);
            Ok(())
        })
        .await?;
    let late = app.flights.cut(hits);
    let world = app.reload_urgent().await?;
    // Connections that stay open would answer for it.
    for server in world.registry.servers() {
        if world.stopped_server(&server.server, app.clock.now()) {
            for link in app.links.take_server(&server.server.name) {
                app.background.spawn(async move { link.connection.close().await });
            }
        }
    }
    Ok(Gone {
        in_flight: Flight::told(&[flown, late].concat()),
        ..Gone::default()
    })
}

/// Lifts the stop of a host.
///
/// # Errors
/// [`Failure`] when the target is no host, it is not stopped, or the person is not an administrator.
pub async fn lift(app: &Arc<App>, target: Target, by: &Name) -> Result<(), Failure> {
    let Target::Host(host) = target else {
        return Err(Failure::invalid(
            "only a stop of `host:NAME` can be lifted; the rest is gone for good",
        ));
    };
    crate::people::expect_role(app, by, &Role::Administrator)?;
    let mut detail = Object::new();
    detail.insert("target", Value::from(host.to_string()));
    let entry = record::by_human("kill.lift", by, detail);
    app.store
        .append(entry, move |tx| {
            remit_store::freezes::lift(tx, &host)?;
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(())
}
