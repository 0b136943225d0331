//! Requests: the entities of one call, and one question per resource it touches.

use std::collections::HashSet;
use std::sync::Arc;

use cedar_policy_core::ast::{Context, Entity, EntityUID, EntityUIDEntry, PartialValue, Request};
use cedar_policy_core::entities::{Entities, NoEntitiesSchema, TCComputation};
use cedar_policy_core::extensions::Extensions;

use crate::catalogue::Action;
use crate::facts::Facts;
use crate::{names, values};

/// Attributes of `resource`: name, Cedar type, meaning.
pub(crate) const RESOURCE: [(&str, &str, &str); 2] = [
    (
        "environment",
        "String",
        "production, staging …; unknown when nobody said",
    ),
    (
        "system",
        "String",
        "the system it belongs to; empty when the call touches nothing identifiable",
    ),
];

/// The entities a call needs: who acts, the action, what is touched.
pub(crate) struct Scene {
    pub entities: Entities,
    /// What is touched, each once; [`names::NOTHING`] when nothing identifiable is.
    pub resources: Vec<Arc<EntityUID>>,
}

/// Builds the entities of a call.
///
/// # Errors
/// Cedar's words, when it does not take them; the call is then denied.
pub(crate) fn scene(facts: &Facts<'_>, action: &Action) -> Result<Scene, String> {
    let mut resources = Vec::with_capacity(facts.call.resources.len().max(1));
    let mut touched = Vec::with_capacity(facts.call.resources.len().max(1));
    for resource in &facts.call.resources {
        let uid = names::resource(resource);
        if touched.iter().any(|e: &Arc<Entity>| *e.uid() == uid) {
            continue;
        }
        let environment = facts.environments.of(resource);
        touched.push(Arc::new(entity(
            uid.clone(),
            environment,
            resource.system().as_str(),
        )));
        resources.push(Arc::new(uid));
    }
    if resources.is_empty() {
        touched.push(Arc::new(entity(names::NOTHING.as_ref().clone(), "unknown", "")));
        resources.push(Arc::clone(&names::NOTHING));
    }
    let all = facts
        .principal
        .entities
        .iter()
        .cloned()
        .chain(std::iter::once(Arc::clone(&action.entity)))
        .chain(touched);
    // Ancestors are complete as built, so there is no closure to compute.
    let entities = Entities::new()
        .add_entities(
            all,
            None::<&NoEntitiesSchema>,
            TCComputation::AssumeAlreadyComputed,
            Extensions::all_available(),
        )
        .map_err(|error| error.to_string())?;
    Ok(Scene { entities, resources })
}

fn entity(uid: EntityUID, environment: &str, system: &str) -> Entity {
    let ancestors = names::ancestor_ids(uid.eid().as_ref())
        .map(|id| names::uid(&names::RESOURCE, id))
        .collect();
    let attributes = [
        (
            "environment".into(),
            PartialValue::Value(values::text(environment)),
        ),
        ("system".into(), PartialValue::Value(values::text(system))),
    ];
    Entity::new_with_attr_partial_value(uid, attributes, HashSet::new(), ancestors, [])
}

/// The question about one resource.
pub(crate) fn request(
    facts: &Facts<'_>,
    action: &Action,
    resource: &Arc<EntityUID>,
    context: Context,
) -> Request {
    let known = |euid: &Arc<EntityUID>| EntityUIDEntry::Known {
        euid: Arc::clone(euid),
        loc: None,
    };
    Request::new_unchecked(
        known(&facts.principal.uid),
        known(&action.uid),
        known(resource),
        Some(context),
    )
}
