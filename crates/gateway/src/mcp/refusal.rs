//! Denials and holds in the form stock clients accept.

use remit_core::decision::{Decision, Effect, Reason};
use remit_core::json::{Object, Value};
use remit_core::{array, object};

use crate::ports::{Era, PendingContinuation, Refusal};
use crate::revision::META_DECISION;
use crate::rpc::{INVALID_PARAMS, NOT_FOUND_LEGACY, RpcError};

use super::ask::Subject;

/// Error codes of refusals where the method has no result that could carry one: the numbers HTTP egress uses, outside
/// the range JSON-RPC reserves.
const DENIED: i64 = 403;
const HELD: i64 = 202;
const UNAVAILABLE: i64 = 503;

/// What the client is shown of a decision.
pub(crate) fn decision_object(decision: &Decision) -> Object {
    let mut object = Object::new();
    object.insert("decision", decision.effect.as_str());
    object.insert("reason", decision.reason.as_str());
    object.insert("rule", decision.rules.first().map(String::as_str));
    object.insert("message", decision.message.as_str());
    object.insert("decision_id", decision.id.to_string());
    if let Some(approval) = decision.approval {
        object.insert("approval_id", approval.to_string());
    }
    if !decision.allowed_instead.is_empty() {
        object.insert(
            "allowed_instead",
            decision.allowed_instead.iter().collect::<Value>(),
        );
    }
    object
}

/// A tool result that says no, or not yet. `_meta` is filled by the caller's members too.
pub(crate) fn tool_result(refusal: &Refusal) -> Object {
    let shown = decision_object(&refusal.decision);
    let mut result = said(Value::Object(shown.clone()).to_string());
    let mut meta = Object::new();
    meta.insert(META_DECISION, shown.clone());
    result.insert("_meta", meta);
    if !refusal.has_output_schema {
        result.insert("structuredContent", shown);
    }
    result
}

/// A tool result with an error sentence for the agent.
pub(crate) fn said(text: String) -> Object {
    let mut result = Object::new();
    result.insert("content", array![object! { "type": "text", "text": text }]);
    result.insert("isError", true);
    result
}

/// An `input_required` result that sends a person to the card (MCP 2026-07-28); only for a client that can open URLs.
pub(crate) fn input_required(decision: &Decision, pending: PendingContinuation) -> Option<Object> {
    let url = pending.url?;
    let mut result = Object::new();
    result.insert("resultType", "input_required");
    result.insert(
        "inputRequests",
        object! { "approval": object! {
            "method": "elicitation/create",
            "params": object! { "mode": "url", "url": url, "message": decision.message.as_str() },
        } },
    );
    result.insert("requestState", pending.request_state);
    let mut meta = Object::new();
    meta.insert(META_DECISION, decision_object(decision));
    result.insert("_meta", meta);
    Some(result)
}

/// A refusal as a JSON-RPC error, for what is not a tool call.
pub(crate) fn error(decision: &Decision, subject: Option<&Subject>, era: Era) -> RpcError {
    let mut data = decision_object(decision);
    let mut code = match (decision.effect, decision.reason) {
        (_, Reason::Unavailable) => UNAVAILABLE,
        (Effect::Hold, _) => HELD,
        _ => DENIED,
    };
    if let Some(Subject::Resource { uri, listed }) = subject {
        data.insert("uri", uri.as_str());
        if !listed && decision.effect == Effect::Deny && code == DENIED {
            // Denied and unlisted look alike, and to the client it is: not found.
            code = match era {
                Era::Modern => INVALID_PARAMS,
                Era::Legacy => NOT_FOUND_LEGACY,
            };
        }
    }
    RpcError::new(code, decision.message.as_str())
        .with_data(Value::Object(data))
        .with_status(http::StatusCode::OK)
}
