//! Opening a task: what is asked, or the template, held to the agent's ceiling, the initiator's rights and the parent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use remit_core::authority::{Authority, Scope, ToolSelector};
use remit_core::confinement::{Confinement, Proof};
use remit_core::destination::Destination;
use remit_core::id::{RunId, TaskId};
use remit_core::json::{Object, Value};
use remit_core::label::{Label, Labels};
use remit_core::limits::{
    FAN_OUT_DEFAULT, HEARTBEAT_MS_MIN, IDLE_MS_MAX, INTENT_BYTES_MAX, TASK_TTL_MS_DEFAULT, TASK_TTL_MS_MAX,
};
use remit_core::name::Name;
use remit_core::people::{Agent, Kind, Role, Standing};
use remit_core::resource::Resource;
use remit_core::task::{Intent, Life, Mode, Run, Task, TaskState};
use remit_core::time::Timestamp;
use remit_core::tool::ToolClass;
use remit_store::runs::{Process, StoredRun};

use super::rights;
use crate::app::{App, Failure};
use crate::engine::live::{Live, Snapshot};
use crate::engine::world::World;
use crate::engine::{record, session};

/// The template that holds what strangers open.
pub const PUBLIC: &str = "public";

/// A task as a person, a system or a run asks for it.
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
    /// Delegations and bounds on its whole life.
    pub more: More,
}

/// What most tasks do without.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct More {
    /// How many delegations may hang below; a template's own number where it is not given.
    pub depth: Option<u8>,
    /// How many tasks may be delegated from it and live at the same time.
    pub fan_out: Option<u16>,
    /// A sign of life is due this often, in milliseconds.
    pub heartbeat_ms: Option<i64>,
    /// It ends without a call for this long, in milliseconds.
    pub idle_ms: Option<i64>,
    /// No renewal goes beyond this, in milliseconds from its opening.
    pub max_life_ms: Option<i64>,
}

impl NewTask {
    /// A task that asks for nothing but reading.
    #[must_use]
    pub fn new(agent: Name, intent: Intent) -> Self {
        Self {
            agent,
            intent,
            template: None,
            set: BTreeMap::new(),
            allow: Vec::new(),
            resources: Vec::new(),
            destinations: Vec::new(),
            limit: None,
            ttl_ms: None,
            mode: None,
            parent: None,
            process: None,
            more: More::default(),
        }
    }
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

/// Opens a task for a person or a system. Below another task it is a delegation, which only the person who opened that
/// one, or an administrator, may make in its place.
///
/// # Errors
/// [`Failure`] says what cannot be: an unknown agent or template, a person who may not, an authority that is empty.
pub async fn open(app: &Arc<App>, new: NewTask, by: &Name) -> Result<Opened, Failure> {
    crate::people::expect_role(app, by, &Role::Initiator)?;
    let parent = match new.parent {
        Some(parent) => {
            let live = session::of_task(app, parent).await?;
            super::expect_initiator(app, &live.snapshot().task.initiator, by)?;
            Some(live)
        }
        None => None,
    };
    open_below(app, new, parent, by).await
}

/// Opens a task below that of a run, at its wish: the decision that allowed it is recorded already.
///
/// # Errors
/// As [`open`].
pub async fn delegate(app: &Arc<App>, mut new: NewTask, parent: &Arc<Live>) -> Result<Opened, Failure> {
    let task = Arc::clone(&parent.snapshot().task);
    new.parent = Some(task.id);
    open_below(app, new, Some(Arc::clone(parent)), &task.agent).await
}

async fn open_below(
    app: &Arc<App>,
    new: NewTask,
    parent: Option<Arc<Live>>,
    by: &Name,
) -> Result<Opened, Failure> {
    let world = app.world();
    let process = new.process;
    let above = parent.as_ref().map(|live| live.snapshot());
    let (run, task) = prepare(app, &world, new, above.as_deref(), by)?;
    let (token, digest) = super::token::fresh(&*app.entropy)?;
    let stored = StoredRun {
        run: run.clone(),
        token: digest,
        proof: Proof::Bearer,
        process,
        key: None,
        identity: None,
        opened_at: task.opened_at,
        ended_at: None,
    };
    store(app, &world, &task, stored, parent.as_deref(), by).await?;
    Ok(Opened {
        spiffe_id: run.spiffe_id(&app.config.listen.trust_domain),
        task,
        token,
    })
}

/// The task as it would be opened; nothing is. An agent that is not registered yet counts as one of `by`'s without a ceiling.
///
/// # Errors
/// As [`open`].
pub fn preview(app: &Arc<App>, new: NewTask, by: &Name) -> Result<Task, Failure> {
    crate::people::expect_role(app, by, &Role::Initiator)?;
    let mut world = World::clone(&app.world());
    world.agents.entry(new.agent.clone()).or_insert_with(|| {
        Arc::new(Agent {
            name: new.agent.clone(),
            owner: by.clone(),
            backup_owner: None,
            purpose: String::new(),
            ceiling: Authority::unbounded(),
            standing: Standing::Active,
        })
    });
    prepare(app, &world, new, None, by).map(|(_, task)| task)
}

/// Everything that is checked and worked out before a task is opened.
fn prepare(
    app: &App,
    world: &World,
    new: NewTask,
    above: Option<&Snapshot>,
    by: &Name,
) -> Result<(Run, Task), Failure> {
    expect_agent(world, &new.agent)?;
    expect_intent(&new.intent)?;
    let initiator = above.map_or_else(|| by.clone(), |above| above.task.initiator.clone());
    let untrusted = match above {
        Some(above) => above.task.untrusted,
        None => world
            .humans
            .get(&initiator)
            .is_some_and(|known| known.kind == Kind::Stranger),
    };
    let shape = shape(app, &new)?;
    let held = rights::Held {
        world,
        agent: &new.agent,
        initiator: &initiator,
        above: above.map(|above| &*above.task),
    };
    let mut asked = shape.authority;
    let mut cut = Vec::new();
    if untrusted && above.is_none() {
        let held = asked.attenuate(&public(app)?);
        cut.extend(asked.cut(
            &held,
            "strangers opened this task: the template `public` does not allow it",
        ));
        asked = held;
    }
    let (authority, more) = held.cut_down(&asked)?;
    cut.extend(more);
    if authority.tools.is_empty() || authority.classes.is_empty() {
        return Err(Failure::Forbidden(format!(
            "nothing is left of what was asked: {}",
            cut.join("; ")
        )));
    }
    let asked_mode = new.mode.unwrap_or(shape.mode);
    let mode = above.map_or(asked_mode, |above| above.task.mode.delegate(asked_mode));
    if mode != asked_mode {
        cut.push(format!(
            "mode {}: the parent task only proposes, so this one does",
            asked_mode.as_str()
        ));
    }
    cut.extend(rights::in_force(world, &authority, mode, app.clock.now()));
    let now = app.clock.now();
    let ttl = new.ttl_ms.or(shape.ttl_ms).unwrap_or(TASK_TTL_MS_DEFAULT);
    if !(1..=TASK_TTL_MS_MAX).contains(&ttl) {
        return Err(Failure::invalid(
            "a task lives between a moment and 30 days: give another `--ttl`",
        ));
    }
    let life = life(&new.more, now)?;
    let mut expires_at = now.plus_ms(ttl);
    for end in above
        .iter()
        .map(|above| above.task.expires_at)
        .chain(life.ends_by)
    {
        expires_at = expires_at.min(end);
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
        initiator,
        agent: new.agent,
        run: run.id,
        intent: new.intent,
        mode,
        template: new.template.or_else(|| {
            (untrusted && above.is_none())
                .then(|| PUBLIC.parse().ok())
                .flatten()
        }),
        authority,
        cut,
        state: TaskState::Open,
        version: 1,
        opened_at: now,
        expires_at,
        life,
        untrusted,
    };
    Ok((run, task))
}

/// The authority of the shipped template that holds what strangers open.
fn public(app: &App) -> Result<Authority, Failure> {
    let templates = Arc::clone(&app.world().templates);
    let name: Name = PUBLIC.parse().map_err(Failure::invalid)?;
    let template = templates
        .get(&name)
        .ok_or_else(|| Failure::Unavailable("the template `public` is gone".to_owned()))?;
    let instance = template
        .instantiate(&BTreeMap::new())
        .map_err(|error| Failure::invalid(format!("the template `public` takes no parameters: {error}")))?;
    Ok(instance.authority)
}

/// Bounds on the whole life of a task, as they were asked for.
fn life(more: &More, now: Timestamp) -> Result<Life, Failure> {
    if more
        .heartbeat_ms
        .is_some_and(|ms| !(HEARTBEAT_MS_MIN..=IDLE_MS_MAX).contains(&ms))
    {
        return Err(Failure::invalid(
            "a heartbeat is between 1s and 24h: give another `--heartbeat`",
        ));
    }
    if more
        .idle_ms
        .is_some_and(|ms| !(HEARTBEAT_MS_MIN..=IDLE_MS_MAX).contains(&ms))
    {
        return Err(Failure::invalid(
            "an idle time is between 1s and 24h: give another `--idle`",
        ));
    }
    if more
        .max_life_ms
        .is_some_and(|ms| !(1..=TASK_TTL_MS_MAX).contains(&ms))
    {
        return Err(Failure::invalid(
            "a task lives 30 days at most: give another `--max-life`",
        ));
    }
    Ok(Life {
        heartbeat_ms: more.heartbeat_ms,
        idle_ms: more.idle_ms,
        ends_by: more.max_life_ms.map(|ms| now.plus_ms(ms)),
    })
}

async fn store(
    app: &Arc<App>,
    world: &World,
    task: &Task,
    run: StoredRun,
    parent: Option<&Live>,
    by: &Name,
) -> Result<(), Failure> {
    let mut entry = record::of_task("task.open", task);
    entry.chain = parent
        .iter()
        .flat_map(|parent| parent.chain.iter())
        .chain([&task.agent])
        .map(ToString::to_string)
        .collect();
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
    if task.untrusted {
        entry.detail.insert("untrusted", true);
    }
    let cut: Vec<Value> = task.cut.iter().map(|cut| Value::from(cut.as_str())).collect();
    if !cut.is_empty() {
        entry.detail.insert("cut", cut);
    }
    entry.policy_version = Some(world.policy.version().to_string());
    entry
        .detail
        .retain(|_, value| *value != Value::from("") && *value != Value::Object(Object::new()));
    let (epochs, task) = (world.epochs, task.clone());
    let above = parent.map(|live| {
        (
            live.snapshot().task.id,
            live.snapshot().task.version,
            live.run().id,
        )
    });
    app.store
        .append(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            let mut labels = Labels::new();
            if let Some((parent, version, run)) = above {
                tx.expect_task(parent, version)?;
                labels = remit_store::labels::get(tx, run)?;
            } else if task.untrusted {
                labels.extend(Label::parse("untrusted"));
            }
            remit_store::tasks::open(tx, &task)?;
            remit_store::runs::add(tx, &run)?;
            // What a run has seen, those it hands work to may have been told.
            remit_store::labels::add(tx, run.run.id, &labels)
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
    let templates = Arc::clone(&app.world().templates);
    let template = templates.get(name).ok_or_else(|| {
        let known: Vec<&str> = templates.keys().map(Name::as_str).collect();
        Failure::NotFound(format!(
            "no template `{name}`: there are {}; a new file counts from `remit policy apply`",
            known.join(", ")
        ))
    })?;
    let instance = template.instantiate(&new.set).map_err(Failure::invalid)?;
    let authority = if new.allow.is_empty()
        && new.resources.is_empty()
        && new.destinations.is_empty()
        && new.limit.is_none()
        && new.more.depth.is_none()
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
    delegations(&mut authority, &new.more);
    if let Some(limit) = &new.limit {
        authority = authority.attenuate(limit);
    }
    authority
}

/// Delegations asked for; given depth without a fan-out means a few.
fn delegations(authority: &mut Authority, more: &More) {
    if let Some(depth) = more.depth {
        authority.depth = depth;
        authority.fan_out = more
            .fan_out
            .unwrap_or(if depth > 0 { FAN_OUT_DEFAULT } else { 0 });
    }
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
    delegations(&mut limit, &new.more);
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
