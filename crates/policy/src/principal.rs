//! Who acts, as Cedar entities: built once per version of a task, shared by all its decisions.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy_core::ast::{Entity, EntityUID, PartialValue, Value};
use remit_core::name::Name;
use remit_core::people::{Agent, Human};
use remit_core::task::{Run, Task};

use crate::attributes::{RUN, value};
use crate::names;

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
    pub(crate) entities: [Arc<Entity>; 2],
}

impl Principal {
    /// The entities of a task's run.
    #[must_use]
    pub fn new(facts: &PrincipalFacts<'_>) -> Self {
        let agent = names::uid(&names::AGENT, facts.agent.name.as_str());
        let run = names::uid(&names::RUN, &facts.run.id.to_string());
        let templates: Vec<EntityUID> = facts
            .templates
            .iter()
            .map(|name| names::uid(&names::TEMPLATE, name.as_str()))
            .collect();
        let parents = std::iter::once(agent.clone())
            .chain(templates.iter().cloned())
            .collect();
        let attributes = RUN
            .iter()
            .map(|attribute| (attribute.name, value(attribute, facts)));
        let roles = facts
            .initiator
            .roles
            .iter()
            .map(|role| names::uid(&names::ROLE, &role.to_string()));
        let initiator = names::uid(&names::HUMAN, facts.initiator.name.as_str());
        Self {
            task: Arc::clone(&facts.task),
            entities: [
                entity(&run, attributes, parents),
                entity(&initiator, [], roles.collect()),
            ]
            .map(Arc::new),
            uid: Arc::new(run),
            agent,
            templates,
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
