//! Opening a task: its authority is the intersection of what is asked, the template, the parent and the agent's ceiling.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use remit_core::authority::{Authority, Scope, ToolSelector};
use remit_core::confinement::{Confinement, Proof};
use remit_core::destination::Destination;
use remit_core::id::{RunId, TaskId};
use remit_core::json::{Object, Value};
use remit_core::limits::{DELEGATION_DEPTH_MAX, INTENT_BYTES_MAX, TASK_TTL_MS_DEFAULT, TASK_TTL_MS_MAX};
use remit_core::name::Name;
use remit_core::people::{Role, Standing};
use remit_core::resource::Resource;
use remit_core::task::{Intent, Life, Mode, Run, Task, TaskState};
use remit_core::tool::ToolClass;
use remit_store::runs::{Process, StoredRun};

use crate::app::{App, Failure};
use crate::engine::world::World;
use crate::engine::{record, session};

/// A task as a person asks for it.
#[derive(Clone, Debug)]
pub struct NewTask {
    /// Agent.
    pub agent: Name,
    /// What shall be reached, and what for.
    pub intent: Intent,
    /// Template.
    pub template: Option<Name>,
    /// Its parameters.
    pub set: BTreeMap<String, String>,
    /// Tools asked for; with a template they narrow it.
    pub allow: Vec<ToolSelector>,
    /// Roots asked for.
    pub resources: Vec<Resource>,
    /// Destinations asked for.
    pub destinations: Vec<Destination>,
    /// Budgets and bounds asked for beyond these.
    pub limit: Option<Authority>,
    /// Life, in milliseconds.
    pub ttl_ms: Option<i64>,
    /// Mode.
    pub mode: Option<Mode>,
    /// The task it is delegated from.
    pub parent: Option<TaskId>,
    /// The process that is the run, where it is known already.
    pub process: Option<Process>,
}

/// An open task, with the one copy of its token.
#[derive(Clone, Debug)]
pub struct Opened {
    /// The task.
    pub task: Task,
    /// The run's SPIFFE ID.
    pub spiffe_id: String,
    /// The token, shown once.
    pub token: String,
}

/// Opens a task.
///
/// # Errors
/// [`Failure`] says what cannot be: an unknown agent or template, a person who may not, an authority that is empty.
pub async fn open(app: &Arc<App>, new: NewTask, by: &Name) -> Result<Opened, Failure> {
    crate::people::expect_role(app, by, &Role::Initiator)?;
    let world = app.world();
    expect_agent(&world, &new.agent)?;
    expect_intent(&new.intent)?;
    let parent = match new.parent {
        Some(parent) => Some(session::of_task(app, parent).await?.snapshot()),
        None => None,
    };
    let shape = shape(app, &new)?;
    let (authority, cut) = cut_down(&world, &new, &shape.authority, parent.as_deref())?;
    let now = app.clock.now();
    let ttl = new.ttl_ms.or(shape.ttl_ms).unwrap_or(TASK_TTL_MS_DEFAULT);
    if !(1..=TASK_TTL_MS_MAX).contains(&ttl) {
        return Err(Failure::invalid(
            "a task lives between a moment and 30 days: give another `--ttl`",
        ));
    }
    let mut expires_at = now.plus_ms(ttl);
    if let Some(parent) = &parent {
        expires_at = expires_at.min(parent.task.expires_at);
    }
    let run = Run {
        id: RunId::fresh(now, &*app.entropy)?,
        agent: new.agent.clone(),
        task: TaskId::fresh(now, &*app.entropy)?,
        confinement: Confinement::None,
    };
    let task = Task {
        id: run.task,
        parent: new.parent,
        initiator: parent
            .as_ref()
            .map_or_else(|| by.clone(), |parent| parent.task.initiator.clone()),
        agent: new.agent,
        run: run.id,
        intent: new.intent,
        mode: new.mode.unwrap_or(shape.mode),
        template: new.template,
        authority,
        cut,
        state: TaskState::Open,
        version: 1,
        opened_at: now,
        expires_at,
        life: Life::default(),
        untrusted: false,
    };
    let (token, digest) = super::token::fresh(&*app.entropy)?;
    let stored = StoredRun {
        run: run.clone(),
        token: digest,
        proof: Proof::Bearer,
        process: new.process,
        opened_at: now,
        ended_at: None,
    };
    store(app, &world, &task, stored, by).await?;
    Ok(Opened {
        spiffe_id: run.spiffe_id(&app.config.listen.trust_domain),
        task,
        token,
    })
}

async fn store(app: &Arc<App>, world: &World, task: &Task, run: StoredRun, by: &Name) -> Result<(), Failure> {
    let mut entry = record::of_task("task.open", task);
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("goal", task.intent.goal.as_str());
    entry.detail.insert("purpose", task.intent.purpose.as_str());
    entry.detail.insert("expires_at", task.expires_at.to_string());
    entry.detail.insert("mode", task.mode.as_str());
    entry.detail.insert(
        "authority",
        remit_store::codec::authority_to_json(&task.authority),
    );
    if let Some(parent) = task.parent {
        entry.detail.insert("parent", parent.to_string());
    }
    entry.policy_version = Some(world.policy.version().to_string());
    entry
        .detail
        .retain(|_, value| *value != Value::from("") && *value != Value::Object(Object::new()));
    let (epochs, task) = (world.epochs, task.clone());
    app.store
        .append(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            remit_store::tasks::open(tx, &task)?;
            remit_store::runs::add(tx, &run)
        })
        .await?;
    Ok(())
}

/// Refuses an agent that is unknown or may not act.
pub(super) fn expect_agent(world: &World, name: &Name) -> Result<(), Failure> {
    let agent = world.agents.get(name);
    let agent = agent.ok_or_else(|| {
        Failure::NotFound(format!(
            "no agent `{name}` is registered: `remit agent add {name} --owner YOU`"
        ))
    })?;
    if agent.standing != Standing::Active {
        return Err(Failure::Forbidden(format!(
            "agent `{name}` is {}",
            agent.standing.as_str()
        )));
    }
    Ok(())
}

fn expect_intent(intent: &Intent) -> Result<(), Failure> {
    if intent.goal.trim().is_empty() {
        return Err(Failure::invalid(
            "a task needs an intent: say in one sentence what shall be reached",
        ));
    }
    if intent.goal.len().max(intent.purpose.len()) > INTENT_BYTES_MAX {
        return Err(Failure::invalid(format!(
            "an intent has at most {INTENT_BYTES_MAX} bytes"
        )));
    }
    Ok(())
}

/// What the template, or the flags, ask for.
struct Shape {
    authority: Authority,
    mode: Mode,
    ttl_ms: Option<i64>,
}

fn shape(app: &App, new: &NewTask) -> Result<Shape, Failure> {
    let asked = asked(new);
    let Some(name) = &new.template else {
        if !new.set.is_empty() {
            return Err(Failure::invalid(
                "`--set` fills in a template: name one with `--template`",
            ));
        }
        return Ok(Shape {
            authority: asked,
            mode: Mode::Execute,
            ttl_ms: None,
        });
    };
    let templates = crate::policies::templates(&app.config, &app.paths)?;
    let template = templates.get(name).ok_or_else(|| {
        let known: Vec<&str> = templates.keys().map(Name::as_str).collect();
        Failure::NotFound(format!("no template `{name}`: there are {}", known.join(", ")))
    })?;
    let instance = template.instantiate(&new.set).map_err(Failure::invalid)?;
    let authority = if new.allow.is_empty()
        && new.resources.is_empty()
        && new.destinations.is_empty()
        && new.limit.is_none()
    {
        instance.authority
    } else {
        instance.authority.attenuate(&narrowing(new))
    };
    Ok(Shape {
        authority,
        mode: instance.mode,
        ttl_ms: instance.ttl_ms,
    })
}

/// Flags without a template: exactly what they name. Nothing named = reading, of whatever is admitted.
fn asked(new: &NewTask) -> Authority {
    let mut authority = Authority::none();
    if new.allow.is_empty() {
        authority.tools = BTreeSet::from([ToolSelector::ALL]);
        authority.classes = BTreeSet::from([ToolClass::Read]);
    } else {
        authority.tools = new.allow.iter().cloned().collect();
        authority.classes = ToolClass::ALL.into_iter().collect();
    }
    authority.resources = scope(&new.resources);
    authority.destinations = Scope::Only(new.destinations.iter().cloned().collect());
    if let Some(limit) = &new.limit {
        authority = authority.attenuate(limit);
    }
    authority
}

/// Flags beside a template: each narrows what it names.
fn narrowing(new: &NewTask) -> Authority {
    let mut limit = Authority::unbounded();
    if !new.allow.is_empty() {
        limit.tools = new.allow.iter().cloned().collect();
    }
    limit.resources = scope(&new.resources);
    if !new.destinations.is_empty() {
        limit.destinations = Scope::Only(new.destinations.iter().cloned().collect());
    }
    if let Some(more) = &new.limit {
        limit = limit.attenuate(more);
    }
    limit
}

fn scope(resources: &[Resource]) -> Scope<Resource> {
    if resources.is_empty() {
        Scope::Any
    } else {
        Scope::Only(resources.iter().cloned().collect())
    }
}

/// What is asked, cut by the agent's ceiling and the parent; with a sentence for everything that was cut.
fn cut_down(
    world: &World,
    new: &NewTask,
    asked: &Authority,
    parent: Option<&crate::engine::live::Snapshot>,
) -> Result<(Authority, Vec<String>), Failure> {
    let mut cut = Vec::new();
    let ceiling = world
        .agents
        .get(&new.agent)
        .map(|agent| agent.ceiling.clone())
        .unwrap_or_else(Authority::none);
    let mut authority = asked.attenuate(&ceiling);
    cut.extend(asked.cut(&authority, &format!("above the ceiling of agent `{}`", new.agent)));
    if let Some(parent) = parent {
        let depth = parent.task.authority.depth;
        if depth == 0 || usize::from(depth) > DELEGATION_DEPTH_MAX && depth != u8::MAX {
            return Err(Failure::Forbidden(format!(
                "task {} may not delegate any further",
                parent.task.id
            )));
        }
        let mut limit = parent.task.authority.clone();
        limit.depth = depth - 1;
        let narrowed = authority.attenuate(&limit);
        cut.extend(authority.cut(
            &narrowed,
            &format!("not held by the parent task {}", parent.task.id),
        ));
        authority = narrowed;
    }
    if authority.tools.is_empty() || authority.classes.is_empty() {
        return Err(Failure::Forbidden(format!(
            "nothing is left of what was asked: {}",
            cut.join("; ")
        )));
    }
    Ok((authority, cut))
}
