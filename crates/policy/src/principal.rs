//! Who acts, as Cedar entities: built once per version of a task, shared by all its decisions.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy_core::ast::{Entity, EntityUID, PartialValue, Value};
use remit_core::authority::Scope;
use remit_core::decision::Tier;
use remit_core::name::Name;
use remit_core::people::{Agent, Human};
use remit_core::resource::Resource;
use remit_core::task::{Run, Task};

use crate::{names, values};

/// What a [`Principal`] is made from. Every field is a fact that rules can read.
#[derive(Clone, Debug)]
pub struct PrincipalFacts<'a> {
    /// The task as stored: its authority is already the intersection with every ancestor and ceiling.
    pub task: Arc<Task>,
    /// The run that holds it.
    pub run: &'a Run,
    /// The agent.
    pub agent: &'a Agent,
    /// The human or system that opened the task at the root of the chain.
    pub initiator: &'a Human,
    /// Agents from the root of the delegation chain down to this one.
    pub chain: &'a [Name],
    /// Templates of this task and of every ancestor.
    pub templates: &'a [Name],
}

/// A run with its task, agent and initiator, ready for decisions. Immutable; a changed task needs a new one.
#[derive(Debug)]
pub struct Principal {
    pub(crate) task: Arc<Task>,
    pub(crate) uid: Arc<EntityUID>,
    pub(crate) agent: EntityUID,
    pub(crate) templates: Vec<EntityUID>,
    pub(crate) entities: [Arc<Entity>; 4],
}

impl Principal {
    /// The entities of a task's run.
    #[must_use]
    pub fn new(facts: &PrincipalFacts<'_>) -> Self {
        let agent = names::uid(&names::AGENT, facts.agent.name.as_str());
        let initiator = names::uid(&names::HUMAN, facts.initiator.name.as_str());
        let task = names::uid(&names::TASK, &facts.task.id.to_string());
        let run = names::uid(&names::RUN, &facts.run.id.to_string());
        let templates: Vec<EntityUID> = facts
            .templates
            .iter()
            .map(|name| names::uid(&names::TEMPLATE, name.as_str()))
            .collect();
        let parents = std::iter::once(agent.clone()).chain(templates.iter().cloned());
        let chain = facts
            .chain
            .iter()
            .map(|name| names::uid(&names::AGENT, name.as_str()));
        let run_entity = entity(
            &run,
            RUN.map(|(name, _, _)| name).into_iter().zip([
                values::entity(agent.clone()),
                values::entities(chain),
                values::text(facts.run.confinement.as_str()),
                values::entity(task.clone()),
            ]),
            parents.collect(),
        );
        let agent_entity = entity(
            &agent,
            [
                (
                    "owner",
                    values::entity(names::uid(&names::HUMAN, facts.agent.owner.as_str())),
                ),
                ("purpose", values::text(&facts.agent.purpose)),
                ("standing", values::text(facts.agent.standing.as_str())),
            ],
            HashSet::new(),
        );
        let roles = facts
            .initiator
            .roles
            .iter()
            .map(|role| names::uid(&names::ROLE, &role.to_string()));
        let human_entity = entity(&initiator, [], roles.collect());
        let task_entity = entity(&task, task_attributes(facts, initiator), HashSet::new());
        Self {
            task: Arc::clone(&facts.task),
            uid: Arc::new(run),
            agent,
            templates,
            entities: [run_entity, agent_entity, human_entity, task_entity].map(Arc::new),
        }
    }

    /// The task.
    #[must_use]
    pub const fn task(&self) -> &Arc<Task> {
        &self.task
    }
}

fn entity<'a>(
    uid: &EntityUID,
    attributes: impl IntoIterator<Item = (&'a str, Value)>,
    parents: HashSet<EntityUID>,
) -> Entity {
    let attributes = attributes
        .into_iter()
        .map(|(name, value)| (name.into(), PartialValue::Value(value)));
    Entity::new_with_attr_partial_value(uid.clone(), attributes, HashSet::new(), parents, [])
}

/// Name, Cedar type and meaning of an attribute.
pub(crate) type Attribute = (&'static str, &'static str, &'static str);

/// Attributes of `principal`.
pub(crate) const RUN: [Attribute; 4] = [
    ("agent", "Agent", "the agent of this run"),
    (
        "chain",
        "Set<Agent>",
        "agents from the root of the delegation chain down to this one",
    ),
    (
        "confinement",
        "String",
        "none, landlock, own-uid, netns or remote",
    ),
    ("task", "Task", "the task whose authority it holds"),
];

/// Attributes of `principal.agent`.
pub(crate) const AGENT: [Attribute; 3] = [
    ("owner", "Human", "who answers for it"),
    ("purpose", "String", "what it is for"),
    ("standing", "String", "active, suspended or retired"),
];

/// Attributes of `principal.task`.
pub(crate) const TASK: [Attribute; 22] = [
    (
        "agreed",
        "Set<String>",
        "selectors of calls agreed on beforehand; only the baseline reads it",
    ),
    ("any_destination", "Bool", "no bound on destinations"),
    ("any_resource", "Bool", "no bound on resources"),
    (
        "approve",
        "Set<String>",
        "selectors of calls this task wants approved",
    ),
    ("classes", "Set<String>", "tool classes it allows"),
    ("delegations", "Long", "how many delegations may hang below"),
    ("depth", "Long", "how many delegations lie above"),
    (
        "destinations",
        "Set<Destination>",
        "where data may go without asking",
    ),
    ("expires_at", "Long", "end of its window, epoch ms"),
    (
        "features",
        "Set<String>",
        "server→client requests that may pass: sampling, elicitation, roots",
    ),
    (
        "goal",
        "String",
        "what shall be reached, in the initiator's words",
    ),
    (
        "initiator",
        "Human",
        "who opened it; lies in its roles: principal.task.initiator in Role::\"dba\"",
    ),
    ("mode", "String", "assist, execute or coordinate"),
    ("never", "Set<String>", "selectors of calls this task never makes"),
    ("notify", "Set<String>", "selectors of calls people are told of"),
    ("opened_at", "Long", "when it was opened, epoch ms"),
    ("purpose", "String", "what it is for, in the initiator's words"),
    (
        "roots",
        "Set<Resource>",
        "what may be touched: resource in principal.task.roots",
    ),
    ("state", "String", "open, suspended, or how it ended"),
    ("systems", "Set<String>", "systems its roots lie in"),
    ("tools", "Set<String>", "selectors of tools it allows"),
    (
        "two_person",
        "Set<String>",
        "selectors of calls this task wants approved by two people",
    ),
];

fn task_attributes(facts: &PrincipalFacts<'_>, initiator: EntityUID) -> Vec<(&'static str, Value)> {
    let task = &facts.task;
    let authority = &task.authority;
    let stricter = |tier: Tier| {
        let selectors = authority
            .stricter
            .iter()
            .filter(move |(_, wanted)| **wanted == tier);
        values::texts(selectors.map(|(selector, _)| selector_text(selector)))
    };
    let roots: Vec<&Resource> = match &authority.resources {
        Scope::Any => Vec::new(),
        Scope::Only(roots) => roots.iter().collect(),
    };
    let destinations = match &authority.destinations {
        Scope::Any => values::empty_set(),
        Scope::Only(listed) => values::entities(listed.iter().map(names::destination)),
    };
    let depth = i64::try_from(facts.chain.len().saturating_sub(1)).unwrap_or(i64::MAX);
    let all = [
        values::texts(authority.agreed.iter().map(selector_text)),
        values::boolean(!authority.destinations.is_bounded()),
        values::boolean(!authority.resources.is_bounded()),
        stricter(Tier::Approve),
        values::texts(authority.classes.iter().map(|c| c.as_str())),
        values::long(authority.depth.into()),
        values::long(depth),
        destinations,
        values::long(task.expires_at.0),
        values::texts(authority.client_features.iter().map(|f| f.as_str())),
        values::text(&task.intent.goal),
        values::entity(initiator),
        values::text(task.mode.as_str()),
        stricter(Tier::Never),
        stricter(Tier::Notify),
        values::long(task.opened_at.0),
        values::text(&task.intent.purpose),
        values::entities(roots.iter().map(|root| names::resource(root))),
        values::text(task.state.as_str()),
        values::texts(roots.iter().map(|root| root.system())),
        values::texts(authority.tools.iter().map(selector_text)),
        stricter(Tier::TwoPerson),
    ];
    TASK.into_iter().map(|(name, _, _)| name).zip(all).collect()
}

/// One text per meaning: `fs/*`, never `fs`.
fn selector_text(selector: &remit_core::authority::ToolSelector) -> String {
    selector.to_string()
}
