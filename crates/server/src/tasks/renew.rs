//! Renewal and resumption: full decisions over what is true now. Both may be refused, and both may give less than before.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use remit_core::authority::{Authority, Scope};
use remit_core::call::Operation;
use remit_core::decision::{Decision, Effect, Reason, Tier};
use remit_core::id::{DecisionId, TaskId};
use remit_core::json::{Object, Value};
use remit_core::label::{Label, Labels};
use remit_core::limits::TASK_TTL_MS_MAX;
use remit_core::name::Name;
use remit_core::people::Standing;
use remit_core::task::TaskState;
use remit_core::time::Timestamp;
use remit_policy::{Origin, Verdict};
use remit_store::codec::authority_to_json;

use super::rights::Held;
use super::{builtin, follow};
use crate::app::{App, Failure};
use crate::engine::decide::{Circumstances, ask, prepare};
use crate::engine::live::{Live, Snapshot};
use crate::engine::world::World;
use crate::engine::{record, session, uses};

/// A renewal that was granted.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// When the window closes now.
    pub expires_at: Timestamp,
    /// What is less than before, and why; one sentence each.
    pub narrowed: Vec<String>,
}

/// Moves the end of a task's window, for a person.
///
/// # Errors
/// [`Failure`] when it is not live, the person is not its initiator, or what is true now speaks against it; the refusal
/// is recorded.
pub async fn renew(app: &Arc<App>, task: TaskId, ttl_ms: i64, by: &Name) -> Result<Renewed, Failure> {
    let live = session::of_task(app, task).await?;
    super::expect_initiator(app, &live.snapshot().task.initiator, by)?;
    renewed(app, &live, ttl_ms, by, true).await
}

/// Moves the end of the window for a run that asked, up to the maximum life people gave it; policy has decided about the
/// asking already.
///
/// # Errors
/// As [`renew`].
pub async fn renew_for_run(app: &Arc<App>, live: &Arc<Live>, ttl_ms: i64) -> Result<Renewed, Failure> {
    let task = Arc::clone(&live.snapshot().task);
    // A run that could move its own end without a bound would have none.
    if task.life.ends_by.is_none() {
        return Err(Failure::Forbidden(
            "this task was given no life beyond its window: ask its initiator with `remit__request_access` and `ttl_seconds`"
                .to_owned(),
        ));
    }
    let agent = task.agent.clone();
    renewed(app, live, ttl_ms, &agent, false).await
}

async fn renewed(
    app: &Arc<App>,
    live: &Arc<Live>,
    ttl_ms: i64,
    by: &Name,
    ask_policy: bool,
) -> Result<Renewed, Failure> {
    if !(1..=TASK_TTL_MS_MAX).contains(&ttl_ms) {
        return Err(Failure::invalid(
            "a task is renewed for at most 30 days at a time",
        ));
    }
    let world = app.world();
    let snapshot = session::current(live, &world);
    let now = app.clock.now();
    let present = present(app, &world, live, &snapshot, ask_policy).await?;
    let mut expires_at = now.plus_ms(ttl_ms);
    let mut narrowed = present.narrowed.clone();
    let mut refused = present.refused.clone();
    if let Some(end) = snapshot.task.life.ends_by
        && end < expires_at
    {
        if end <= now.max(snapshot.task.expires_at) {
            refused.get_or_insert((
                Reason::OutsideWindow,
                format!("its maximum life ends at {end}: open a new task"),
            ));
        }
        narrowed.push(format!("until {end}: its maximum life"));
        expires_at = end;
    }
    if let Some(end) = present.until.filter(|end| *end < expires_at) {
        narrowed.push(format!("until {end}: the parent task ends then"));
        expires_at = end;
    }
    let (mut entry, decision) = decided(app, &world, live, "task.renew", &present, refused, by)?;
    if decision.effect != Effect::Allow {
        app.store.append(entry, |_| Ok(())).await?;
        return Err(Failure::Forbidden(format!("not renewed: {}", decision.message)));
    }
    entry.detail.insert("expires_at", expires_at.to_string());
    entry.detail.insert("narrowed", sentences(&narrowed));
    let (task, version, epochs) = (snapshot.task.id, snapshot.task.version, world.epochs);
    let (limit, seen, run) = (present.limit, present.labels, live.run().id);
    let (_, changed) = app
        .store
        .append(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            tx.expect_task(task, version)?;
            remit_store::labels::charge(tx, run, &seen, &Labels::new())?;
            remit_store::tasks::renew(tx, task, version, &limit, expires_at)
        })
        .await?;
    follow(app, &changed).await?;
    Ok(Renewed { expires_at, narrowed })
}

/// Opens a suspended task again, over what is true now.
///
/// # Errors
/// [`Failure`] when it is not suspended, the person is not its initiator or an administrator, or what is true now speaks
/// against it; the refusal is recorded.
pub async fn resume(app: &Arc<App>, task: TaskId, by: &Name) -> Result<Vec<String>, Failure> {
    let live = session::of_task(app, task).await?;
    super::expect_initiator(app, &live.snapshot().task.initiator, by)?;
    let world = app.world();
    let held = session::current(&live, &world);
    held.task
        .state
        .to(TaskState::Open)
        .map_err(|error| Failure::Conflict(error.to_string()))?;
    // Asked as if it were open: that it is not is what is being decided about.
    let snapshot = session::as_if(&world, &live, TaskState::Open);
    let present = present(app, &world, &live, &snapshot, true).await?;
    let refused = present.refused.clone();
    let (mut entry, decision) = decided(app, &world, &live, "task.resume", &present, refused, by)?;
    if decision.effect != Effect::Allow {
        app.store.append(entry, |_| Ok(())).await?;
        return Err(Failure::Forbidden(format!("not resumed: {}", decision.message)));
    }
    entry.detail.insert("narrowed", sentences(&present.narrowed));
    let (version, epochs, limit) = (held.task.version, world.epochs, present.limit);
    let (_, changed) = app
        .store
        .append(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            remit_store::tasks::resume(tx, task, version, &limit)
        })
        .await?;
    live.denials_in_a_row.store(0, Ordering::Relaxed);
    app.pulses.begin(task, app.clock.boot());
    follow(app, &changed).await?;
    Ok(present.narrowed)
}

/// A decision whether something of a task goes on, with what it depends on; its record is not appended yet.
pub(crate) struct GoesOn {
    /// The record.
    pub(crate) entry: remit_ledger::record::Record,
    /// The decision.
    pub(crate) decision: Decision,
    /// The task.
    pub(crate) task: TaskId,
    /// Its version.
    pub(crate) version: i64,
    /// The world it was decided in.
    pub(crate) world: Arc<World>,
}

/// Decides, over what is true now, whether something the task holds may go on: asked of policy like its renewal.
///
/// # Errors
/// [`Failure::Unavailable`] when the facts cannot be read.
pub(crate) async fn goes_on(app: &Arc<App>, live: &Arc<Live>, kind: &str) -> Result<GoesOn, Failure> {
    let world = app.world();
    let snapshot = session::current(live, &world);
    let present = present(app, &world, live, &snapshot, true).await?;
    let refused = present.refused.clone();
    let by = snapshot.task.agent.clone();
    let (entry, decision) = decided(app, &world, live, kind, &present, refused, &by)?;
    Ok(GoesOn {
        entry,
        decision,
        task: snapshot.task.id,
        version: snapshot.task.version,
        world,
    })
}

/// What is true now of a task.
struct Present {
    /// What it may hold at most.
    limit: Authority,
    /// What that is less than before, and why.
    narrowed: Vec<String>,
    /// Why it may not go on.
    refused: Option<(Reason, String)>,
    /// Rules that decided.
    rules: Vec<String>,
    /// It cannot go on beyond this.
    until: Option<Timestamp>,
    /// Labels its run carries.
    labels: Labels,
}

async fn present(
    app: &Arc<App>,
    world: &World,
    live: &Arc<Live>,
    snapshot: &Arc<Snapshot>,
    ask_policy: bool,
) -> Result<Present, Failure> {
    let task = &snapshot.task;
    let run = live.run().id;
    let labels = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::labels::get(conn, run)?))
        .await?;
    let above = match task.parent {
        Some(parent) => Some(session::of_task(app, parent).await?.snapshot()),
        None => None,
    };
    let held = Held {
        world,
        agent: &task.agent,
        initiator: &task.initiator,
        above: above.as_deref().map(|above| &*above.task),
    };
    let mut limit = Authority::unbounded();
    let mut narrowed = Vec::new();
    let mut before = task.authority.clone();
    let mut cut = |limit: &mut Authority, more: &Authority, why: &str| {
        let after = before.attenuate(more);
        narrowed.extend(before.cut(&after, why));
        before = after;
        *limit = limit.attenuate(more);
    };
    for (more, why) in held.limits()? {
        cut(&mut limit, &more, &why);
    }
    let sensitive: Vec<String> = labels
        .iter()
        .filter(|label| is_sensitive(label))
        .map(Label::text)
        .collect();
    if !sensitive.is_empty() {
        let mut inward = Authority::unbounded();
        inward.destinations = Scope::none();
        let why = format!(
            "the run has seen what is {}: sending asks a person from now on",
            sensitive.join(", ")
        );
        cut(&mut limit, &inward, &why);
    }
    let mut present = Present {
        limit,
        narrowed,
        refused: standing(world, snapshot).or_else(|| frozen(app, world, snapshot)),
        rules: Vec::new(),
        until: above.map(|above| above.task.expires_at),
        labels,
    };
    if before.tools.is_empty() || before.classes.is_empty() {
        let why = "nothing is left of what it may do".to_owned();
        present.refused.get_or_insert((Reason::OutOfAuthority, why));
    }
    if ask_policy && present.refused.is_none() {
        policy(app, world, live, snapshot, &mut present);
    }
    Ok(present)
}

/// Labels that bind where data may go.
const fn is_sensitive(label: &Label) -> bool {
    matches!(label, Label::Confidential | Label::Secret | Label::Personal)
}

/// Who stands behind the task.
fn standing(world: &World, snapshot: &Snapshot) -> Option<(Reason, String)> {
    let task = &snapshot.task;
    let active = |name: &Name| {
        world
            .humans
            .get(name)
            .is_some_and(|human| human.standing == Standing::Active)
    };
    let Some(agent) = world.agents.get(&task.agent) else {
        return Some((
            Reason::ActorInvalid,
            format!("agent `{}` is not registered any more", task.agent),
        ));
    };
    if agent.standing != Standing::Active {
        let sentence = format!("agent `{}` is {}", agent.name, agent.standing.as_str());
        return Some((Reason::ActorInvalid, sentence));
    }
    if !active(&agent.owner) && !agent.backup_owner.as_ref().is_some_and(active) {
        let sentence = format!(
            "nobody answers for agent `{}`: its owner is not active",
            agent.name
        );
        return Some((Reason::ActorInvalid, sentence));
    }
    (!active(&task.initiator)).then(|| {
        (
            Reason::ActorInvalid,
            format!("`{}`, who opened it, is not active any more", task.initiator),
        )
    })
}

/// A task whose every root is frozen has nothing to go on for; one that only reads has.
fn frozen(app: &App, world: &World, snapshot: &Snapshot) -> Option<(Reason, String)> {
    let authority = &snapshot.task.authority;
    let Scope::Only(roots) = &authority.resources else {
        return None;
    };
    let acts = authority
        .classes
        .iter()
        .any(|class| *class != remit_core::tool::ToolClass::Read);
    let freezes = world.frozen(app.clock.now());
    let all = !roots.is_empty()
        && roots
            .iter()
            .all(|root| freezes.iter().any(|freeze| freeze.covers(root)));
    (acts && all).then(|| {
        (
            Reason::Freeze,
            "a freeze is on for everything it may touch".to_owned(),
        )
    })
}

/// Asks policy as if the run had asked for it.
fn policy(app: &App, world: &World, live: &Live, snapshot: &Snapshot, present: &mut Present) {
    let (Ok(server), Ok(tool)) = (builtin::SERVER.parse(), builtin::RENEW.parse()) else {
        return;
    };
    let mut arguments = Object::new();
    arguments.insert("ttl_seconds", 1);
    let prepared = prepare(
        world,
        &server,
        Operation::CallTool(tool),
        arguments,
        live.standing().proof,
    );
    if let Some(refused) = prepared.refused {
        present.refused = Some(refused);
        return;
    }
    let at = Circumstances {
        now: app.clock.now(),
        labels: &present.labels,
        exhausted: &[],
        origin: Origin::Initial,
        approval: None,
        weighed: &uses::without_use(&prepared, &present.labels),
    };
    match ask(world, snapshot, &prepared, at).verdict {
        Verdict::Allow(allow) => present.rules = allow.rules().iter().map(ToString::to_string).collect(),
        Verdict::Deny(denial) => {
            present.rules = denial.rules.iter().map(ToString::to_string).collect();
            present.refused = Some((denial.reason, denial.message));
        }
        Verdict::Hold(hold) => {
            present.rules = hold.rules.iter().map(ToString::to_string).collect();
            let sentence = format!("{}: let the agent ask with `remit__renew`", hold.message);
            present.refused = Some((Reason::ApprovalRequired, sentence));
        }
    }
}

/// The record of a decision about going on.
fn decided(
    app: &App,
    world: &World,
    live: &Live,
    kind: &str,
    present: &Present,
    refused: Option<(Reason, String)>,
    by: &Name,
) -> Result<(remit_ledger::record::Record, Decision), Failure> {
    let effect = if refused.is_none() {
        Effect::Allow
    } else {
        Effect::Deny
    };
    let (reason, message) =
        refused.unwrap_or_else(|| (Reason::Permitted, Reason::Permitted.sentence().to_owned()));
    let decision = Decision {
        id: DecisionId::fresh(app.clock.now(), &*app.entropy)?,
        effect,
        reason,
        tier: if effect == Effect::Allow {
            Tier::Auto
        } else {
            Tier::Never
        },
        rules: present.rules.clone(),
        policy_version: world.policy.version().to_string(),
        message,
        allowed_instead: Vec::new(),
        approval: None,
    };
    let mut entry = record::of_live(kind, live);
    record::decided(&mut entry, &decision);
    entry.labels = present.labels.iter().map(Label::text).collect();
    entry.detail.insert("by", by.as_str());
    entry.detail.insert(
        "authority",
        authority_to_json(&live.snapshot().task.authority.attenuate(&present.limit)),
    );
    Ok((entry, decision))
}

fn sentences(list: &[String]) -> Vec<Value> {
    list.iter().map(|text| Value::from(text.as_str())).collect()
}
