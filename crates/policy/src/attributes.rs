//! What rules can read of `principal`: one table gives each attribute its name, type, meaning and value.
//!
//! The task is a record inside the run, not an entity of its own: half the memory for each one that is open.

use std::sync::OnceLock;

use cedar_policy_core::ast::Value;
use remit_core::authority::Scope;
use remit_core::decision::Tier;
use remit_core::tool::{Classes, ToolClass};

use crate::principal::PrincipalFacts;
use crate::{names, values};

/// One attribute.
pub(crate) struct Attribute {
    pub name: &'static str,
    pub kind: Kind,
    pub meaning: &'static str,
}

/// Its type, with where its value comes from.
pub(crate) enum Kind {
    /// A Cedar type as text.
    Plain(&'static str, fn(&PrincipalFacts<'_>) -> Value),
    /// A record of further attributes.
    Record(&'static [Attribute]),
}

/// The value of an attribute.
pub(crate) fn value(attribute: &Attribute, facts: &PrincipalFacts<'_>) -> Value {
    match attribute.kind {
        Kind::Plain(_, value) => value(facts),
        Kind::Record(inner) => Value::record(inner.iter().map(|a| (a.name, value(a, facts))), None),
    }
}

const fn plain(
    name: &'static str,
    kind: &'static str,
    meaning: &'static str,
    value: fn(&PrincipalFacts<'_>) -> Value,
) -> Attribute {
    Attribute {
        name,
        kind: Kind::Plain(kind, value),
        meaning,
    }
}

/// Attributes of `principal`.
pub(crate) static RUN: [Attribute; 6] = [
    plain(
        "above",
        "Set<Agent>",
        "agents above this one in the delegation chain",
        |f| {
            let above = f.chain.split_last().map(|(_, above)| above).unwrap_or_default();
            values::entities(above.iter().map(|name| names::uid(&names::AGENT, name.as_str())))
        },
    ),
    plain(
        "confinement",
        "String",
        "none, landlock, own-uid, netns or remote",
        |f| values::text(f.run.confinement.as_str()),
    ),
    plain("owner", "Human", "who answers for the agent", |f| {
        values::entity(names::uid(&names::HUMAN, f.agent.owner.as_str()))
    }),
    plain("purpose", "String", "what the agent is for", |f| {
        values::text(&f.agent.purpose)
    }),
    plain(
        "standing",
        "String",
        "of the agent: active, suspended or retired",
        |f| values::text(f.agent.standing.as_str()),
    ),
    Attribute {
        name: "task",
        kind: Kind::Record(&TASK),
        meaning: "the task whose authority it holds",
    },
];

/// Attributes of `principal.task`.
pub(crate) static TASK: [Attribute; 22] = [
    plain(
        "agreed",
        "Set<String>",
        "selectors of calls agreed on beforehand; only the baseline reads it",
        |f| values::texts(f.task.authority.agreed.iter().map(ToString::to_string)),
    ),
    plain("any_destination", "Bool", "no bound on destinations", |f| {
        values::boolean(!f.task.authority.destinations.is_bounded())
    }),
    plain("any_resource", "Bool", "no bound on resources", |f| {
        values::boolean(!f.task.authority.resources.is_bounded())
    }),
    plain(
        "approve",
        "Set<String>",
        "selectors of calls this task wants approved",
        |f| stricter(f, Tier::Approve),
    ),
    plain("classes", "Set<String>", "tool classes it allows", |f| {
        classes(&f.task.authority.classes)
    }),
    plain(
        "delegations",
        "Long",
        "how many delegations may hang below",
        |f| values::long(f.task.authority.depth.into()),
    ),
    plain("depth", "Long", "how many delegations lie above", |f| {
        values::long(i64::try_from(f.chain.len().saturating_sub(1)).unwrap_or(i64::MAX))
    }),
    plain(
        "destinations",
        "Set<Destination>",
        "where data may go without asking",
        |f| match &f.task.authority.destinations {
            Scope::Any => values::empty_set(),
            Scope::Only(listed) => values::entities(listed.iter().map(names::destination)),
        },
    ),
    plain("expires_at", "Long", "end of its window, epoch ms", |f| {
        values::long(f.task.expires_at.0)
    }),
    plain(
        "features",
        "Set<String>",
        "server→client requests that may pass: sampling, elicitation, roots",
        |f| {
            values::texts(
                f.task
                    .authority
                    .client_features
                    .iter()
                    .map(|feature| feature.as_str()),
            )
        },
    ),
    plain(
        "goal",
        "String",
        "what shall be reached, in the initiator's words",
        |f| values::text(&f.task.intent.goal),
    ),
    plain(
        "initiator",
        "Human",
        "who opened it; lies in its roles: principal.task.initiator in Role::\"dba\"",
        |f| values::entity(names::uid(&names::HUMAN, f.initiator.name.as_str())),
    ),
    plain("mode", "String", "assist, execute or coordinate", |f| {
        values::text(f.task.mode.as_str())
    }),
    plain(
        "never",
        "Set<String>",
        "selectors of calls this task never makes",
        |f| stricter(f, Tier::Never),
    ),
    plain(
        "notify",
        "Set<String>",
        "selectors of calls people are told of",
        |f| stricter(f, Tier::Notify),
    ),
    plain("opened_at", "Long", "when it was opened, epoch ms", |f| {
        values::long(f.task.opened_at.0)
    }),
    plain(
        "purpose",
        "String",
        "what it is for, in the initiator's words",
        |f| values::text(&f.task.intent.purpose),
    ),
    plain(
        "roots",
        "Set<Resource>",
        "what may be touched: resource in principal.task.roots",
        |f| match &f.task.authority.resources {
            Scope::Any => values::empty_set(),
            Scope::Only(roots) => values::entities(roots.iter().map(names::resource)),
        },
    ),
    plain("state", "String", "open, suspended, or how it ended", |f| {
        values::text(f.task.state.as_str())
    }),
    plain("tools", "Set<String>", "selectors of tools it allows", |f| {
        values::texts(f.task.authority.tools.iter().map(ToString::to_string))
    }),
    plain(
        "two_person",
        "Set<String>",
        "selectors of calls this task wants approved by two people",
        |f| stricter(f, Tier::TwoPerson),
    ),
    plain("untrusted", "Bool", "strangers asked for it", |f| {
        values::boolean(f.task.untrusted)
    }),
];

/// A set of classes. There are few of them, so every task with the same ones shares it.
fn classes(classes: &Classes) -> Value {
    static SETS: [OnceLock<Value>; 1 << ToolClass::ALL.len()] =
        [const { OnceLock::new() }; 1 << ToolClass::ALL.len()];
    let bits = ToolClass::ALL.iter().rev().fold(0, |bits, class| {
        (bits << 1) | usize::from(classes.contains(class))
    });
    let make = || values::texts(classes.iter().map(|class| class.as_str()));
    SETS.get(bits)
        .map_or_else(make, |set| set.get_or_init(make).clone())
}

fn stricter(facts: &PrincipalFacts<'_>, tier: Tier) -> Value {
    let wanted = facts.task.authority.stricter.iter();
    values::texts(
        wanted
            .filter(|(_, of)| **of == tier)
            .map(|(selector, _)| selector.to_string()),
    )
}

/// The attributes of `principal` for people: path, Cedar type, meaning.
#[must_use]
pub fn principal_attributes() -> Vec<(String, &'static str, &'static str)> {
    let mut all = Vec::new();
    for attribute in &RUN {
        match attribute.kind {
            Kind::Plain(kind, _) => all.push((attribute.name.to_owned(), kind, attribute.meaning)),
            Kind::Record(inner) => {
                all.push((attribute.name.to_owned(), "record", attribute.meaning));
                for field in inner {
                    if let Kind::Plain(kind, _) = field.kind {
                        all.push((format!("{}.{}", attribute.name, field.name), kind, field.meaning));
                    }
                }
            }
        }
    }
    all
}
