//! The one parse of what an agent sends.

use remit_core::json::{self, Bounds, Object, Value};

use super::{Fault, Id, RpcError};

/// A message of the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Incoming {
    /// Wants an answer.
    Request {
        /// Its id.
        id: Id,
        /// Its method.
        method: String,
        /// Absent in the message = empty.
        params: Object,
    },
    /// Wants none.
    Notification {
        /// Its method.
        method: String,
        /// Absent in the message = empty.
        params: Object,
    },
    /// Answers a request of ours.
    Response {
        /// The id we gave.
        id: Id,
        /// The result object, or the error object.
        outcome: Result<Object, Object>,
    },
}

/// Reads one message.
///
/// # Errors
/// `-32700` for what is not strict JSON, `-32600` for what is no single JSON-RPC 2.0 message, `-32602` for
/// parameters that are no object; all with HTTP 400.
pub(crate) fn read(body: &[u8]) -> Result<Incoming, Fault> {
    let mut message = match json::parse(body, &Bounds::REQUEST).map_err(RpcError::parse)? {
        Value::Object(message) => message,
        Value::Array(_) => {
            let text = "batches are not accepted: send each message in a request of its own";
            return Err(RpcError::invalid_request(text).into());
        }
        other => {
            let text = format!("a message is an object, this is of type {}", other.type_name());
            return Err(RpcError::invalid_request(text).into());
        }
    };
    let raw_id = message.remove("id");
    let had_id = raw_id.is_some();
    let id = raw_id.and_then(Id::from_value);
    let fault = |id: Option<Id>, error: RpcError| Fault { id, error };
    let invalid = |id: Option<Id>, text: &str| Err(fault(id, RpcError::invalid_request(text)));

    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return invalid(id, "`jsonrpc` has to be the string `2.0`");
    }
    if had_id && id.is_none() {
        return invalid(None, "`id` has to be a string of at most 256 bytes or an integer");
    }
    let answers = message.contains_key("result") || message.contains_key("error");
    let method = match message.remove("method") {
        None => {
            return match id {
                Some(id) => response(id, message),
                None => invalid(
                    None,
                    "the message has neither `method` nor the `id` of a request it answers",
                ),
            };
        }
        Some(_) if answers => return invalid(id, "a message with `method` has neither `result` nor `error`"),
        Some(Value::String(method)) => method,
        Some(_) => return invalid(id, "`method` has to be a string"),
    };
    let params = match message.remove("params") {
        None => Object::new(),
        Some(Value::Object(params)) => params,
        Some(other) => {
            let text = format!(
                "`params` has to be an object, this is of type {}",
                other.type_name()
            );
            let error = RpcError::invalid_params(text).with_status(http::StatusCode::BAD_REQUEST);
            return Err(fault(id, error));
        }
    };
    Ok(match id {
        Some(id) => Incoming::Request { id, method, params },
        None => Incoming::Notification { method, params },
    })
}

fn response(id: Id, mut message: Object) -> Result<Incoming, Fault> {
    let outcome = match (message.remove("result"), message.remove("error")) {
        (Some(Value::Object(result)), None) => Ok(result),
        (None, Some(Value::Object(error))) => Err(error),
        _ => {
            let text = "a response has either `result` or `error`, and it is an object";
            return Err(Fault {
                id: Some(id),
                error: RpcError::invalid_request(text),
            });
        }
    };
    Ok(Incoming::Response { id, outcome })
}
