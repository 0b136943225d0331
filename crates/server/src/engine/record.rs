//! Records: what every record about a task or a call carries.

use remit_core::call::{Call, Operation};
use remit_core::decision::Decision;
use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_core::limits::INTENT_IN_RECORD_BYTES_MAX;
use remit_core::name::Name;
use remit_core::task::Task;
use remit_egress::request::lookup::LOOKUP_FOR;
use remit_ledger::record::Record;

use super::decide::{Prepared, Would};
use super::live::Live;
use super::origin::INITIAL;

/// The lane of everything whose bytes we send ourselves.
pub const ENFORCED: &str = "enforced";

/// The lane of what runs only because its class is observed.
pub const OBSERVED: &str = "observed";

/// An empty record of `kind`.
#[must_use]
pub fn of(kind: &str) -> Record {
    Record {
        kind: kind.to_owned(),
        ..Record::default()
    }
}

/// A record about a task.
#[must_use]
pub fn of_task(kind: &str, task: &Task) -> Record {
    Record {
        kind: kind.to_owned(),
        task: Some(task.id.to_string()),
        run: Some(task.run.to_string()),
        agent: Some(task.agent.to_string()),
        initiator: Some(task.initiator.to_string()),
        ..Record::default()
    }
}

/// A record of something a person did.
#[must_use]
pub fn by_human(kind: &str, human: &Name, detail: Object) -> Record {
    let mut detail = detail;
    detail.insert("by", human.as_str());
    Record {
        kind: kind.to_owned(),
        detail,
        ..Record::default()
    }
}

/// A record about something of a live run: adds chain, confinement and proof.
#[must_use]
pub fn of_live(kind: &str, live: &Live) -> Record {
    let snapshot = live.snapshot();
    let mut record = of_task(kind, &snapshot.task);
    record.chain = live.chain.iter().map(ToString::to_string).collect();
    record.confinement = Some(live.run().confinement.as_str().to_owned());
    record.proof = Some(live.standing().proof.as_str().to_owned());
    record.lane = Some(ENFORCED.to_owned());
    // Only calls have an origin.
    if matches!(kind, "decision" | "outcome") {
        record.origin = Some(INITIAL.to_owned());
    }
    let (task, goal) = (&snapshot.task, &snapshot.task.intent.goal);
    record.detail.insert("task_version", task.version);
    // The intent as it stands now: a later amendment changes no record.
    if goal.len() <= INTENT_IN_RECORD_BYTES_MAX {
        record.detail.insert("intent", goal.as_str());
    } else {
        record
            .detail
            .insert("intent_digest", Digest::of(goal.as_bytes()).to_string());
    }
    record
}

/// The parts of a record that say which call it is about.
pub fn about_call(record: &mut Record, call: &Call, class: Option<&str>) {
    record.digest = Some(call.digest());
    record.class = class.map(str::to_owned);
    record.tool = Some(format!("{}/{}", call.server, call.operation.target()));
    if !matches!(call.operation, Operation::CallTool(_)) {
        record.detail.insert("method", call.operation.method());
    }
    let mut resources = call.resources.iter().map(ToString::to_string);
    record.resource = resources.next();
    let more: Vec<Value> = resources.map(Into::into).collect();
    if !more.is_empty() {
        record.detail.insert(remit_store::records::RESOURCES, more);
    }
    let destinations: Vec<Value> = call.destinations.iter().map(|d| d.to_string().into()).collect();
    if !destinations.is_empty() {
        record.detail.insert("destinations", destinations);
    }
}

/// Which operation a request was made for, where it only looks up what that one names by an id. Arguments of this name say
/// so for systems alone: their requests are read by us, those of MCP servers are written by agents.
#[must_use]
pub fn lookup_for(prepared: &Prepared) -> Option<&Value> {
    let server = prepared.server.as_ref()?;
    server.system.as_ref()?;
    prepared.call.arguments.get(LOOKUP_FOR)
}

/// The part of a record that says so.
pub fn lookup(record: &mut Record, prepared: &Prepared) {
    if let Some(of) = lookup_for(prepared) {
        record.detail.insert(LOOKUP_FOR, of.clone());
    }
}

/// The lane of an observed call, and what would have been decided.
pub fn observed(record: &mut Record, would: &Would) {
    record.lane = Some(OBSERVED.to_owned());
    let mut detail = Object::new();
    detail.insert("decision", would.effect.as_str());
    detail.insert("reason", would.reason.as_str());
    detail.insert("tier", would.tier.as_str());
    detail.insert("message", would.message.as_str());
    detail.insert("policy_version", would.policy_version.as_str());
    let rules: Vec<Value> = would.rules.iter().map(|rule| rule.as_str().into()).collect();
    detail.insert("rules", rules);
    record.detail.insert("would", detail);
}

/// The parts of a record that say what was decided.
pub fn decided(record: &mut Record, decision: &Decision) {
    record.decision_id = Some(decision.id.to_string());
    record.decision = Some(decision.effect.as_str().to_owned());
    record.reason = Some(decision.reason.as_str().to_owned());
    record.rules.clone_from(&decision.rules);
    record.policy_version = Some(decision.policy_version.clone());
    record.approval = decision.approval.map(|id| id.to_string());
    record.detail.insert("tier", decision.tier.as_str());
    record.detail.insert("message", decision.message.as_str());
}
