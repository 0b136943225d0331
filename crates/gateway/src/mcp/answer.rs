//! From the engine's reply to the message the client gets, in its revision.

use remit_core::decision::Effect;
use remit_core::json::{Object, Value};

use crate::ports::{Answer, Era, Refusal, Reply};
use crate::revision::{META_OURS, META_SERVER_INFO};
use crate::rpc::{
    HEADER_MISMATCH, INTERNAL, INVALID_PARAMS, Id, NOT_FOUND_LEGACY, RpcError, UNSUPPORTED_VERSION,
};
use crate::{mcp::client::Client, rpc};

use super::ask::Subject;
use super::{capabilities, refusal};

/// MCP 2025-11-25: the client has to open a URL first. The modern revision has another way for that.
const URL_ELICITATION_LEGACY: i64 = -32042;

/// A message with the HTTP status that fits when it is the whole response.
#[derive(Debug, PartialEq)]
pub(crate) struct Final {
    /// HTTP status.
    pub status: http::StatusCode,
    /// The JSON-RPC message.
    pub bytes: Vec<u8>,
}

impl Final {
    /// An error.
    pub(crate) fn error(id: Option<&Id>, error: &RpcError, era: Era) -> Self {
        let status = match era {
            Era::Modern => error.status,
            Era::Legacy => http::StatusCode::OK,
        };
        Self {
            status,
            bytes: rpc::error(id, error),
        }
    }

    /// A result.
    pub(crate) fn result(id: &Id, result: &Object) -> Self {
        Self {
            status: http::StatusCode::OK,
            bytes: rpc::response(id, result),
        }
    }
}

/// The message for `reply`. `version` is what we call our own version.
pub(crate) fn render(id: &Id, reply: Reply, subject: &Subject, client: &Client, version: &str) -> Final {
    let era = client.era;
    match outcome(reply.answer, subject, client) {
        Ok(mut result) => {
            if matches!(subject, Subject::Resource { .. }) && era == Era::Modern {
                freshness(&mut result);
            }
            dress(&mut result, reply.meta, era, version);
            Final::result(id, &result)
        }
        Err(error) => Final::error(Some(id), &error, era),
    }
}

fn outcome(answer: Answer, subject: &Subject, client: &Client) -> Result<Object, RpcError> {
    match answer {
        Answer::Result(mut result) => {
            undress(&mut result);
            if client.era == Era::Legacy && is_input_required(&result) {
                let text = "the server needs an answer from the client that this MCP revision cannot carry";
                return match subject {
                    Subject::Tool => Ok(refusal::said(text.to_owned())),
                    _ => Err(RpcError::new(INTERNAL, text)),
                };
            }
            Ok(result)
        }
        Answer::UpstreamError { code, message, data } => Err(upstream_error(code, message, data, client.era)),
        Answer::Refused(refused) => refuse(&refused, subject, client),
    }
}

fn refuse(refused: &Refusal, subject: &Subject, client: &Client) -> Result<Object, RpcError> {
    let waits = refused.decision.effect == Effect::Hold && *subject != Subject::Completion;
    if waits
        && client.era == Era::Modern
        && client.elicitation_url
        && let Some(pending) = refused.continuation.clone()
        && let Some(result) = refusal::input_required(&refused.decision, pending)
    {
        return Ok(result);
    }
    match subject {
        Subject::Tool => Ok(refusal::tool_result(refused)),
        _ => Err(refusal::error(&refused.decision, Some(subject), client.era)),
    }
}

/// Codes that speak about the hop they were sent on end here; a client would take them for ours.
fn upstream_error(code: i64, message: String, data: Option<Value>, era: Era) -> RpcError {
    let code = match (code, era) {
        (HEADER_MISMATCH | UNSUPPORTED_VERSION, _) => INTERNAL,
        (NOT_FOUND_LEGACY, Era::Modern) => INVALID_PARAMS,
        (URL_ELICITATION_LEGACY, Era::Modern) => INTERNAL,
        (code, _) => code,
    };
    let mut error = RpcError::new(code, message);
    error.data = data;
    error
}

fn is_input_required(result: &Object) -> bool {
    result.get("resultType").and_then(Value::as_str) == Some("input_required")
}

/// Takes out of an upstream's result what only we may say.
fn undress(result: &mut Object) {
    if let Some(Value::Object(meta)) = result.get_mut("_meta") {
        meta.retain(|key, _| !key.starts_with(META_OURS) && key != META_SERVER_INFO);
    }
}

/// A read is decided per task: nobody else may be given its copy.
fn freshness(result: &mut Object) {
    if is_input_required(result) {
        return;
    }
    result.insert("cacheScope", "private");
    if result.get("ttlMs").and_then(Value::as_u64).is_none() {
        result.insert("ttlMs", 0);
    }
}

/// Adds our `_meta` and makes the result one of the client's revision.
fn dress(result: &mut Object, ours: Object, era: Era, version: &str) {
    let mut meta = match result.remove("_meta") {
        Some(Value::Object(meta)) => meta,
        _ => Object::new(),
    };
    for (key, value) in ours {
        meta.insert(key, value);
    }
    match era {
        Era::Modern => {
            meta.insert(META_SERVER_INFO, capabilities::server_info(version));
            result.get_or_insert_with("resultType", || Value::from("complete"));
        }
        Era::Legacy => {
            for key in ["resultType", "ttlMs", "cacheScope"] {
                result.remove(key);
            }
        }
    }
    if !meta.is_empty() {
        result.insert("_meta", meta);
    }
}
