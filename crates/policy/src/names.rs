//! Names of things in Cedar: entity types, ids, and the one spelling a resource has there.

use std::sync::{Arc, LazyLock};

use cedar_policy_core::ast::{Eid, EntityType, EntityUID, Name};
use remit_core::destination::Destination;
use remit_core::resource::Resource;

macro_rules! types {
    ($($(#[$doc:meta])* $constant:ident = $name:literal;)*) => {$(
        $(#[$doc])*
        pub(crate) static $constant: LazyLock<EntityType> = LazyLock::new(|| entity_type($name));
    )*};
}

types! {
    /// An action: one per tool, and groups of them.
    ACTION = "Action";
    /// A registered agent.
    AGENT = "Agent";
    /// A place data goes to.
    DESTINATION = "Destination";
    /// A person.
    HUMAN = "Human";
    /// Something a call touches.
    RESOURCE = "Resource";
    /// A role or group of people.
    ROLE = "Role";
    /// The principal: one attested execution.
    RUN = "Run";
    /// The template a task was opened from.
    TEMPLATE = "Template";
}

#[expect(
    clippy::expect_used,
    reason = "called with the literals above only; a test touches each"
)]
fn entity_type(name: &'static str) -> EntityType {
    EntityType::from(Name::parse_unqualified_name(name).expect("an identifier"))
}

/// The entity `type::"id"`.
pub(crate) fn uid(entity_type: &EntityType, id: &str) -> EntityUID {
    EntityUID::from_components(entity_type.clone(), Eid::new(id), None)
}

/// The action `Action::"id"`.
pub(crate) fn action(id: &str) -> EntityUID {
    uid(&ACTION, id)
}

/// What stands for the resource of a call that touches nothing identifiable. No resource has this id: there is no colon.
pub(crate) static NOTHING: LazyLock<Arc<EntityUID>> = LazyLock::new(|| Arc::new(uid(&RESOURCE, "nothing")));

/// The one spelling of a resource in Cedar: `system:/a/b`, always with a slash after the colon.
pub(crate) fn resource_id(resource: &Resource) -> String {
    let mut text = String::with_capacity(64);
    text.push_str(resource.system().as_str());
    text.push_str(":/");
    for (place, segment) in resource.segments().enumerate() {
        if place > 0 {
            text.push('/');
        }
        text.push_str(segment);
    }
    text
}

/// The ids of all strict ancestors of the resource with this id, outermost (`system:/`) first.
pub(crate) fn ancestor_ids(id: &str) -> impl Iterator<Item = &str> {
    let root = id.find('/').map_or(id.len(), |at| at + 1);
    let system = (root < id.len()).then(|| id.get(..root).unwrap_or_default());
    let between = id
        .char_indices()
        .filter(move |(at, c)| *c == '/' && *at >= root)
        .map(|(at, _)| id.get(..at).unwrap_or_default());
    system.into_iter().chain(between)
}

/// The entity of a resource.
pub(crate) fn resource(resource: &Resource) -> EntityUID {
    uid(&RESOURCE, &resource_id(resource))
}

/// The entity of a destination.
pub(crate) fn destination(destination: &Destination) -> EntityUID {
    uid(&DESTINATION, &destination.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_name_is_an_identifier() {
        let all = [
            &*ACTION,
            &*AGENT,
            &*DESTINATION,
            &*HUMAN,
            &*RESOURCE,
            &*ROLE,
            &*RUN,
            &*TEMPLATE,
        ];
        assert!(all.iter().all(|t| !t.to_string().is_empty()));
    }

    #[test]
    fn a_resource_has_one_spelling_and_its_ancestors_too() {
        for text in ["fs:/srv/repo/a.txt", "fs:srv/repo/a.txt"] {
            let id = resource_id(&text.parse().unwrap());
            assert_eq!(id, "fs:/srv/repo/a.txt");
            let ancestors: Vec<&str> = ancestor_ids(&id).collect();
            assert_eq!(ancestors, ["fs:/", "fs:/srv", "fs:/srv/repo"]);
        }
        assert_eq!(ancestor_ids("db:/").count(), 0);
        assert_eq!(ancestor_ids("db:/app").collect::<Vec<_>>(), ["db:/"]);
    }
}
