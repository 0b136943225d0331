//! Requirements, votes and bounds of grants as JSON.

use remit_core::approval::{GrantBound, Requirement, Verdict, Vote};
use remit_core::decision::Tier;
use remit_core::json::{Object, Value};
use remit_core::object;
use remit_core::time::Timestamp;

use super::{BadJson, Fields, roles_from_json, roles_to_json};

/// Writes what people have to do.
#[must_use]
pub fn requirement_to_json(requirement: &Requirement) -> Value {
    let approvers: Vec<Value> = requirement.approvers.iter().map(roles_to_json).collect();
    object! { "tier": requirement.tier.as_str(), "approvers": approvers, "strong": requirement.strong }
}

/// Reads what people have to do.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn requirement_from_json(value: &Value) -> Result<Requirement, BadJson> {
    let mut fields = Fields::of(value)?;
    let sets = fields.list("approvers")?;
    let requirement = Requirement {
        tier: fields.word("tier", Tier::parse)?,
        approvers: sets
            .iter()
            .map(|set| roles_from_json(set).map_err(|error| error.within("approvers")))
            .collect::<Result<_, _>>()?,
        strong: fields.flag("strong")?,
    };
    fields.end()?;
    Ok(requirement)
}

/// Writes one person's verdict.
#[must_use]
pub fn vote_to_json(vote: &Vote) -> Value {
    let verdict = match vote.verdict {
        Verdict::Approve => "approve",
        Verdict::Deny => "deny",
    };
    object! {
        "human": vote.human.as_str(),
        "roles": roles_to_json(&vote.roles),
        "verdict": verdict,
        "note": &vote.note,
        "at": vote.at.0,
        "weak": vote.weak,
    }
}

/// Reads one person's verdict.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn vote_from_json(value: &Value) -> Result<Vote, BadJson> {
    let mut fields = Fields::of(value)?;
    let vote = Vote {
        human: fields.parsed("human")?,
        roles: roles_from_json(&fields.need("roles")?).map_err(|error| error.within("roles"))?,
        verdict: fields.word("verdict", |word| match word {
            "approve" => Some(Verdict::Approve),
            "deny" => Some(Verdict::Deny),
            _ => None,
        })?,
        note: fields.text("note")?,
        at: Timestamp(fields.int("at")?),
        weak: fields.flag("weak")?,
    };
    fields.end()?;
    Ok(vote)
}

/// Writes how far a grant reaches: `{"times":3}`, `{"until":1795212245123}` or `{"task":true}`.
#[must_use]
pub fn bound_to_json(bound: GrantBound) -> Value {
    match bound {
        GrantBound::Times(times) => object! { "times": i64::try_from(times).unwrap_or(i64::MAX) },
        GrantBound::Until(until) => object! { "until": until.0 },
        GrantBound::Task => object! { "task": true },
    }
}

/// Reads how far a grant reaches.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn bound_from_json(value: &Value) -> Result<GrantBound, BadJson> {
    let mut fields = Fields::of(value)?;
    let bound = match (fields.opt("times"), fields.opt("until"), fields.opt("task")) {
        (Some(times), None, None) => GrantBound::Times(
            times
                .as_u64()
                .ok_or_else(|| BadJson::new("times", "a number belongs here"))?,
        ),
        (None, Some(until), None) => {
            let until = until
                .as_i64()
                .ok_or_else(|| BadJson::new("until", "milliseconds belong here"))?;
            GrantBound::Until(Timestamp(until))
        }
        (None, None, Some(Value::Bool(true))) => GrantBound::Task,
        _ => {
            return Err(BadJson::new(
                "",
                "exactly one of `times`, `until` and `task` belongs here",
            ));
        }
    };
    fields.end()?;
    Ok(bound)
}

/// Writes the salient fields of a grant: JSON Pointer → value.
#[must_use]
pub fn salient_to_json(salient: &[(String, Value)]) -> Value {
    salient
        .iter()
        .map(|(pointer, value)| (pointer.clone(), value.clone()))
        .collect::<Object>()
        .into()
}

/// Reads the salient fields of a grant.
///
/// # Errors
/// [`BadJson`] when it is not an object.
pub fn salient_from_json(value: &Value) -> Result<Vec<(String, Value)>, BadJson> {
    let object = value
        .as_object()
        .ok_or_else(|| BadJson::new("", "an object belongs here"))?;
    Ok(object
        .iter()
        .map(|(pointer, value)| (pointer.to_owned(), value.clone()))
        .collect())
}
