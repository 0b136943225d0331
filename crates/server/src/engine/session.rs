//! Sessions: from a token to the live task, and keeping its snapshot current.

use std::sync::Arc;

use remit_core::authority::Authority;
use remit_core::digest::Digest;
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Standing};
use remit_core::task::{Task, TaskState};
use remit_gateway::ports::AuthFailure;
use remit_policy::{Principal, PrincipalFacts};
use remit_store::Stored;
use remit_store::runs::StoredRun;
use remit_store::tasks::StoredTask;

use super::live::{Live, Snapshot};
use super::world::World;
use crate::app::{App, Failure};
use crate::tasks::token;

/// The live task behind a token. Checked on every request; the store is asked only when it is not in memory.
///
/// # Errors
/// [`AuthFailure`] says whether it is missing, unknown, ended, or could not be checked.
pub async fn authenticate(app: &Arc<App>, bearer: Option<&str>) -> Result<Arc<Live>, AuthFailure> {
    let bearer = bearer.ok_or(AuthFailure::Missing)?;
    let Some(digest) = token::digest(bearer) else {
        return Err(stranger(app, bearer).await);
    };
    let live = match app.live.by_token(digest) {
        Some(live) => live,
        None => load(app, digest).await?,
    };
    let boot = app.clock.boot();
    live.touch(boot);
    let snapshot = live.snapshot();
    let life = snapshot.task.life;
    if snapshot.task.state == TaskState::Open
        && life != remit_core::task::Life::default()
        && app.pulses.is_overdue(snapshot.task.id, life, boot)
    {
        return Err(AuthFailure::TaskEnded("expired".to_owned()));
    }
    match snapshot.task.state {
        TaskState::Ended(ending) => Err(AuthFailure::TaskEnded(ending.as_str().to_owned())),
        TaskState::Open if app.clock.now() >= snapshot.task.expires_at => {
            Err(AuthFailure::TaskEnded("expired".to_owned()))
        }
        TaskState::Open | TaskState::Suspended => Ok(live),
    }
}

/// What is no token of a run: a person's own credential is named and recorded, whatever it would open elsewhere.
async fn stranger(app: &Arc<App>, bearer: &str) -> AuthFailure {
    let is_jwt = bearer.starts_with("eyJ") && bearer.split('.').count() == 3;
    if !is_jwt && !bearer.starts_with(crate::humans::session::PREFIX) {
        return AuthFailure::Unknown;
    }
    let mut entry = crate::engine::record::of("identity.human_credential");
    entry.decision = Some("deny".to_owned());
    entry.reason = Some("actor_invalid".to_owned());
    entry
        .detail
        .insert("kind", if is_jwt { "jwt" } else { "session" });
    crate::oauth::record_bounded(app, entry).await;
    AuthFailure::HumanCredential
}

async fn load(app: &Arc<App>, digest: Digest) -> Result<Arc<Live>, AuthFailure> {
    let read = app.store.read(move |conn| -> Result<_, Failure> {
        let Some(run) = remit_store::runs::by_token(conn, digest)? else {
            return Ok(None);
        };
        let chain = remit_store::tasks::chain(conn, run.run.task)?;
        let unknown = remit_store::calls::unknown_of(conn, run.run.id)?;
        Ok(Some((run, chain, unknown)))
    });
    let unavailable = |failure: Failure| AuthFailure::Unavailable(failure.to_string());
    let Some((run, chain, unknown)) = read.await.map_err(unavailable)? else {
        return Err(AuthFailure::Unknown);
    };
    let live = enliven(app, &run, &chain).map_err(unavailable)?;
    for call in unknown.iter().filter(|call| call.reference.is_none()) {
        live.attempts.unknown(call.digest, call.id);
    }
    let task = live.snapshot().task.id;
    let live = app.live.insert(Arc::new(live));
    // A token that was replaced while its row was read must not live on in memory.
    let still = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::runs::by_token(conn, digest)?.is_some()));
    if !still.await.map_err(unavailable)? {
        app.live.remove(task);
        return Err(AuthFailure::Unknown);
    }
    Ok(live)
}

/// The live task of an id, read when it is not in memory.
///
/// # Errors
/// [`Failure::NotFound`] when there is none.
pub async fn of_task(app: &Arc<App>, task: remit_core::id::TaskId) -> Result<Arc<Live>, Failure> {
    if let Some(live) = app.live.by_task(task) {
        return Ok(live);
    }
    let (run, chain, unknown) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let run = remit_store::runs::of_task(conn, task)?.into_iter().next();
            let chain = remit_store::tasks::chain(conn, task)?;
            let unknown = match &run {
                Some(run) => remit_store::calls::unknown_of(conn, run.run.id)?,
                None => Vec::new(),
            };
            Ok((run, chain, unknown))
        })
        .await?;
    let run = run.ok_or_else(|| Failure::NotFound(format!("no task `{task}`: see `remit task list`")))?;
    let live = enliven(app, &run, &chain)?;
    for call in unknown.iter().filter(|call| call.reference.is_none()) {
        live.attempts.unknown(call.digest, call.id);
    }
    Ok(app.live.insert(Arc::new(live)))
}

/// A live task from what is stored, with the entities policy reads.
///
/// # Errors
/// [`Failure`] when the chain is empty or the agent unknown.
pub fn enliven(app: &App, run: &StoredRun, chain: &[Stored<StoredTask>]) -> Result<Live, Failure> {
    let agents: Vec<Name> = chain
        .iter()
        .rev()
        .map(|stored| stored.task.agent.clone())
        .collect();
    let templates: Vec<Name> = chain
        .iter()
        .filter_map(|stored| stored.task.template.clone())
        .collect();
    let world = app.world();
    let snapshot = snapshot(&world, line_of(chain), &run.run, &agents, &templates)
        .ok_or_else(|| Failure::NotFound("the task of this run is gone".to_owned()))?;
    Ok(Live::new(run, agents, templates, snapshot))
}

/// A task and those above it, itself first.
fn line_of(chain: &[Stored<StoredTask>]) -> Vec<Arc<Task>> {
    chain.iter().map(|stored| Arc::new(stored.task.clone())).collect()
}

/// `None` without a task.
fn snapshot(
    world: &World,
    line: Vec<Arc<Task>>,
    run: &remit_core::task::Run,
    chain: &[Name],
    templates: &[Name],
) -> Option<Snapshot> {
    let mut line = line.into_iter();
    let task = line.next()?;
    let agent = world
        .agents
        .get(&task.agent)
        .map(|agent| Agent::clone(agent))
        .unwrap_or_else(|| unknown_agent(&task));
    let initiator = world
        .humans
        .get(&task.initiator)
        .map(|human| Human::clone(human))
        .unwrap_or_else(|| Human {
            name: task.initiator.clone(),
            kind: remit_core::people::Kind::Human,
            authority: None,
            roles: std::collections::BTreeSet::new(),
            standing: Standing::Retired,
        });
    let facts = PrincipalFacts {
        task: Arc::clone(&task),
        run,
        agent: &agent,
        initiator: &initiator,
        chain,
        templates,
    };
    Some(Snapshot {
        principal: Arc::new(Principal::new(&facts)),
        task,
        above: line.collect(),
        epochs: world.epochs,
    })
}

/// An agent that is not registered any more has no ceiling above nothing.
fn unknown_agent(task: &Task) -> Agent {
    Agent {
        name: task.agent.clone(),
        owner: task.initiator.clone(),
        backup_owner: None,
        purpose: String::new(),
        ceiling: Authority::none(),
        standing: Standing::Retired,
    }
}

/// The task's snapshot under this world; rebuilt when people or agents may have changed.
#[must_use]
pub fn current(live: &Live, world: &World) -> Arc<Snapshot> {
    let held = live.snapshot();
    if held.epochs != world.epochs
        && let Some(fresh) = again(world, live, held.line().cloned().collect())
    {
        live.refresh(fresh);
    }
    live.snapshot()
}

fn again(world: &World, live: &Live, line: Vec<Arc<Task>>) -> Option<Snapshot> {
    snapshot(world, line, &live.run(), &live.chain, &live.templates)
}

/// The task as policy would see it in another state; nothing is changed by it.
#[must_use]
pub fn as_if(world: &World, live: &Live, state: TaskState) -> Arc<Snapshot> {
    let held = live.snapshot();
    let mut task = Task::clone(&held.task);
    task.state = state;
    let line = std::iter::once(Arc::new(task)).chain(held.above.iter().cloned());
    again(world, live, line.collect()).map_or(held, Arc::new)
}

/// Puts a state that was just recorded in at once, before anything is read again.
pub fn stand(world: &World, live: &Live, state: TaskState) {
    let held = live.snapshot();
    let mut task = Task::clone(&held.task);
    task.state = state;
    let line = std::iter::once(Arc::new(task)).chain(held.above.iter().cloned());
    if let Some(fresh) = again(world, live, line.collect()) {
        live.refresh(fresh);
    }
}

/// Reads the task again after an append found it stale.
///
/// # Errors
/// [`Failure`] when it cannot be read.
pub async fn reload(app: &Arc<App>, live: &Arc<Live>) -> Result<(), Failure> {
    let id = live.snapshot().task.id;
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::tasks::chain(conn, id)?))
        .await?;
    let fresh = again(&app.world(), live, line_of(&stored));
    live.refresh(fresh.ok_or_else(|| Failure::NotFound(format!("task `{id}` is gone")))?);
    Ok(())
}
