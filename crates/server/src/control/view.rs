//! How things are shown: times in milliseconds and, where a person reads them, in RFC 3339 beside it.

use remit_core::approval::{Approval, Grant, GrantBound};
use remit_core::json::Value as Plain;
use remit_core::task::Task;
use remit_ledger::record::Record;
use remit_store::approvals::StoredApproval;
use remit_store::codec::{authority_to_json, vote_to_json};
use serde_json::{Map, Value, json};

use crate::app::Failure;
use crate::approvals::card::lines_of;

/// Our JSON as the JSON of the surface.
pub(crate) fn plain(value: &Plain) -> Value {
    // Canonical JSON is JSON.
    serde_json::from_str(&value.to_string()).unwrap_or_default()
}

/// Adds a member to an object.
pub(super) fn add(shown: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(members) = shown.as_object_mut() {
        members.insert(key.to_owned(), value.into());
    }
}

/// A task.
pub(super) fn task(task: &Task) -> Value {
    json!({
        "task": task.id.to_string(),
        "state": task.state.as_str(),
        "version": task.version,
        "initiator": task.initiator.as_str(),
        "agent": task.agent.as_str(),
        "run": task.run.to_string(),
        "intent": task.intent.goal,
        "purpose": task.intent.purpose,
        "mode": task.mode.as_str(),
        "template": task.template.as_ref().map(ToString::to_string),
        "parent": task.parent.map(|id| id.to_string()),
        "authority": plain(&authority_to_json(&task.authority)),
        "cut": task.cut,
        "opened_at": task.opened_at.to_string(),
        "expires_at": task.expires_at.to_string(),
        "heartbeat_ms": task.life.heartbeat_ms,
        "idle_ms": task.life.idle_ms,
        "ends_by": task.life.ends_by.map(|at| at.to_string()),
        "untrusted": task.untrusted,
    })
}

/// An approval with its card.
pub(super) fn approval(stored: &StoredApproval) -> Result<Value, Failure> {
    let approval: &Approval = &stored.approval;
    let card = remit_core::json::parse(stored.card.as_bytes(), &remit_core::json::Bounds::REQUEST).map_err(
        |error| Failure::unavailable(format!("the card of {} cannot be read: {error}", approval.id)),
    )?;
    let lines = card.as_object().map(lines_of).unwrap_or_default();
    let class = card.get("class").and_then(Plain::as_str).unwrap_or_default();
    Ok(json!({
        "id": approval.id.to_string(),
        "task": approval.task.to_string(),
        "run": approval.run.to_string(),
        "initiator": approval.initiator.as_str(),
        "tool": approval.tool.as_ref().map(ToString::to_string),
        "class": class,
        "tier": approval.requirement.tier.as_str(),
        "state": approval.state.as_str(),
        "card": plain(&card),
        "lines": lines,
        "digest": approval.digest.to_string(),
        "card_digest": approval.card.to_string(),
        "opened_at": approval.opened_at.to_string(),
        "expires_at": approval.expires_at.to_string(),
        "votes": approval.votes.iter().map(|vote| plain(&vote_to_json(vote))).collect::<Vec<_>>(),
    }))
}

/// A grant.
pub(super) fn grant(grant: &Grant) -> Value {
    let mut shown = json!({
        "id": grant.id.to_string(),
        "task": grant.task.to_string(),
        "approval": grant.approval.to_string(),
        "tool": grant.tool.to_string(),
        "used": grant.used,
    });
    match grant.bound {
        GrantBound::Times(times) => add(&mut shown, "uses_left", times.saturating_sub(grant.used)),
        GrantBound::Until(until) => add(&mut shown, "until", until.to_string()),
        GrantBound::Task => {}
    }
    shown
}

/// Members every record shows, `null` or empty when they do not apply.
const MEMBERS: [&str; 20] = [
    "seq",
    "time",
    "type",
    "decision_id",
    "task",
    "run",
    "agent",
    "initiator",
    "chain",
    "tool",
    "class",
    "resource",
    "decision",
    "reason",
    "rules",
    "policy_version",
    "approval",
    "lane",
    "labels",
    "outcome",
];

/// A record: its leaf, with the members it leaves out.
pub(super) fn record(record: &Record) -> Result<Value, Failure> {
    let leaf = record.encode().map_err(Failure::unavailable)?;
    let mut leaf: Map<String, Value> = serde_json::from_slice(&leaf).map_err(Failure::unavailable)?;
    let mut shown = Map::new();
    for member in MEMBERS {
        let absent = if ["chain", "rules", "labels"].contains(&member) {
            json!([])
        } else {
            Value::Null
        };
        shown.insert(member.to_owned(), leaf.remove(member).unwrap_or(absent));
    }
    shown.insert("time_at".to_owned(), json!(record.time.to_string()));
    shown.extend(leaf);
    Ok(Value::Object(shown))
}

/// Records.
pub(super) fn records(records: &[Record]) -> Result<Value, Failure> {
    records
        .iter()
        .map(record)
        .collect::<Result<Vec<_>, _>>()
        .map(Value::Array)
}
