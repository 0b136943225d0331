//! Amendments: a person changes what a running task is for and what it may do. They take effect as a new version of the
//! task; what was decided before keeps the intent of its own version. An agent can only ask for one.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_core::authority::{Authority, Scope, ToolSelector};
use remit_core::destination::Destination;
use remit_core::id::TaskId;
use remit_core::json::{Object, Value};
use remit_core::limits::INTENT_BYTES_MAX;
use remit_core::name::Name;
use remit_core::people::{Kind, Role};
use remit_core::resource::Resource;
use remit_core::task::Task;
use remit_core::time::Timestamp;
use remit_core::tool::{Classes, ToolRef};
use remit_store::codec::authority_to_json;
use remit_store::tasks::Amendment;

use super::rights::Held;
use crate::app::{App, Failure};
use crate::engine::world::World;
use crate::engine::{record, session};

/// What shall change.
#[derive(Clone, Debug)]
pub struct Change {
    /// Keep at most this.
    pub keep: Authority,
    /// Tools to add.
    pub tools: Vec<ToolSelector>,
    /// Roots to add.
    pub resources: Vec<Resource>,
    /// Destinations to add.
    pub destinations: Vec<Destination>,
    /// Another objective.
    pub goal: Option<String>,
    /// Another end of the window.
    pub expires_at: Option<Timestamp>,
    /// Where it comes from, for the record: a request of the agent, with its reason.
    pub because: Object,
}

impl Default for Change {
    fn default() -> Self {
        Self {
            keep: Authority::unbounded(),
            tools: Vec::new(),
            resources: Vec::new(),
            destinations: Vec::new(),
            goal: None,
            expires_at: None,
            because: Object::new(),
        }
    }
}

impl Change {
    /// True when it gives anything the task does not have: then it takes a person with the right to give it.
    #[must_use]
    pub fn widens(&self, task: &Task) -> bool {
        !self.tools.is_empty()
            || !self.resources.is_empty()
            || !self.destinations.is_empty()
            || self.goal.is_some()
            || self.expires_at.is_some_and(|end| task.expires_at < end)
    }
}

/// What an amendment came to.
#[derive(Clone, Debug)]
pub struct Amended {
    /// The version the task has now.
    pub version: i64,
    /// What of it was cut, one sentence each.
    pub cut: Vec<String>,
}

/// Amends a task, and holds everything below it to what it is then.
///
/// # Errors
/// [`Failure`] when it is not live, the person may not, or nothing would be left.
pub async fn amend(app: &Arc<App>, task: TaskId, change: Change, by: &Name) -> Result<Amended, Failure> {
    let live = session::of_task(app, task).await?;
    let world = app.world();
    let snapshot = session::current(&live, &world);
    let now = &snapshot.task;
    let widens = change.widens(now);
    if widens {
        expect_may_widen(&world, now, by)?;
    } else {
        super::expect_initiator(app, &now.initiator, by)?;
    }
    if let Some(goal) = &change.goal
        && (goal.trim().is_empty() || goal.len() > INTENT_BYTES_MAX)
    {
        return Err(Failure::invalid(format!(
            "an intent is one sentence of at most {INTENT_BYTES_MAX} bytes"
        )));
    }
    let above = match now.parent {
        Some(parent) => Some(session::of_task(app, parent).await?.snapshot()),
        None => None,
    };
    let (authority, cut) = amended(
        &world,
        now,
        &change,
        above.as_deref().map(|above| &*above.task),
        by,
    )?;
    let mut intent = now.intent.clone();
    if let Some(goal) = change.goal {
        intent.goal = goal;
    }
    let expires_at = change.expires_at.unwrap_or(now.expires_at);
    let mut entry = record::of_task("task.amend", now);
    entry.policy_version = Some(world.policy.version().to_string());
    entry.detail.insert("by", by.as_str());
    entry.detail.insert("version", now.version + 1);
    entry.detail.insert("authority", authority_to_json(&authority));
    entry.detail.insert("expires_at", expires_at.to_string());
    if intent != now.intent {
        entry.detail.insert("goal", intent.goal.as_str());
        entry.detail.insert("goal_before", now.intent.goal.as_str());
    }
    if widens {
        entry.detail.insert("widened_by", by.as_str());
    }
    if !cut.is_empty() {
        let sentences: Vec<Value> = cut.iter().map(|cut| Value::from(cut.as_str())).collect();
        entry.detail.insert("cut", sentences);
    }
    if !change.because.is_empty() {
        entry.detail.insert("because", change.because);
    }
    let amendment = Amendment {
        authority,
        intent,
        expires_at,
        cut: cut.clone(),
    };
    let (version, epochs) = (now.version, world.epochs);
    let above = above.map(|above| (above.task.id, above.task.version));
    let (_, changed) = app
        .store
        .append_urgent(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            if let Some((parent, version)) = above {
                tx.expect_task(parent, version)?;
            }
            remit_store::tasks::amend(tx, task, version, &amendment)
        })
        .await?;
    super::follow(app, &changed).await?;
    Ok(Amended {
        version: version + 1,
        cut,
    })
}

/// Who may give a task more: the person who opened it or an administrator; where a system opened it, the agent's owner
/// too. Never a system.
///
/// # Errors
/// [`Failure::Forbidden`].
pub fn expect_may_widen(world: &World, task: &Task, by: &Name) -> Result<(), Failure> {
    let human = world.humans.get(by).filter(|human| human.may_decide());
    let opened_by_human = world
        .humans
        .get(&task.initiator)
        .is_some_and(|initiator| initiator.kind == Kind::Human);
    let owns = world
        .agents
        .get(&task.agent)
        .is_some_and(|agent| agent.owner == *by);
    let may = human.is_some_and(|human| {
        *by == task.initiator || human.may(&Role::Administrator) || (!opened_by_human && owns)
    });
    if may {
        return Ok(());
    }
    Err(Failure::Forbidden(format!(
        "{by} may not give this task more: {} opened it, and only that person or an administrator may",
        task.initiator
    )))
}

/// What a task allows after a change: never above ceiling, rights of initiator and giver, or the task above.
fn amended(
    world: &World,
    now: &Task,
    change: &Change,
    above: Option<&Task>,
    by: &Name,
) -> Result<(Authority, Vec<String>), Failure> {
    let kept = now.authority.attenuate(&change.keep);
    let mut asked = if change.tools.is_empty() {
        kept
    } else {
        by_class(kept)
    };
    for selector in &change.tools {
        asked.classes.extend(classes_of(world, selector)?);
        asked.tools.insert(selector.clone());
    }
    if let Scope::Only(roots) = &mut asked.resources {
        roots.extend(change.resources.iter().cloned());
    }
    if let Scope::Only(places) = &mut asked.destinations {
        places.extend(change.destinations.iter().cloned());
    }
    let held = Held {
        world,
        agent: &now.agent,
        initiator: &now.initiator,
        above,
    };
    let (mut authority, mut cut) = held.cut_down(&asked)?;
    if let Some(rights) = world.humans.get(by).and_then(|human| human.authority.as_ref())
        && *by != now.initiator
    {
        let limited = authority.attenuate(rights);
        cut.extend(authority.cut(&limited, &format!("`{by}` has no such right")));
        authority = limited;
    }
    if authority.tools.is_empty() || authority.classes.is_empty() {
        return Err(Failure::Forbidden(format!(
            "nothing would be left of the task: {}; end it instead",
            cut.join("; ")
        )));
    }
    Ok((authority, cut))
}

/// The same authority with its classes written into each selector: a class that is added for one tool is then not added
/// for the others.
fn by_class(mut authority: Authority) -> Authority {
    let classes: Vec<ToolSelector> = authority
        .classes
        .iter()
        .filter_map(|class| format!("*:{class}").parse().ok())
        .collect();
    let tools: BTreeSet<ToolSelector> = authority
        .tools
        .iter()
        .flat_map(|selector| classes.iter().filter_map(|class| selector.meet(class)))
        .collect();
    authority.tools = tools;
    authority
}

/// The classes of what a selector selects now.
fn classes_of(world: &World, selector: &ToolSelector) -> Result<Classes, Failure> {
    let selected: Classes = world
        .registry
        .tools()
        .filter(|entry| !entry.is_surface())
        .map(|entry| (&entry.tool.name, entry.tool.classification.class))
        .filter(|(name, class): &(&ToolRef, _)| selector.selects(name, *class))
        .map(|(_, class)| class)
        .collect();
    if selected.is_empty() {
        return Err(Failure::invalid(format!(
            "`{selector}` selects no tool that is registered: see `remit tools ls`"
        )));
    }
    Ok(selected)
}
