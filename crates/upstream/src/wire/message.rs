//! One message from a server, read once.

use remit_core::json::{self, Bounds, Object, Value};

use crate::event::{Reply, RpcError};

/// A well-formed JSON-RPC message.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Incoming {
    /// The answer to a request; the id is absent where the server could not read ours.
    Response { id: Option<u64>, reply: Reply },
    /// The server asks something.
    Request {
        id: Value,
        method: String,
        params: Object,
    },
    /// The server tells something.
    Notification { method: String, params: Object },
}

/// What is wrong with a message: a sentence without any text of the server's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flaw(pub(crate) String);

/// Reads one message.
pub(crate) fn parse(bytes: &[u8]) -> Result<Incoming, Flaw> {
    let value = json::parse(bytes, &Bounds::RESPONSE)
        .map_err(|e| Flaw(format!("its message is not JSON we take: {e}")))?;
    let mut message = match value {
        Value::Object(message) => message,
        Value::Array(_) => {
            return Err(Flaw(
                "it sent a batch, which the protocol does not have".to_owned(),
            ));
        }
        other => return Err(Flaw(format!("its message is a {}", other.type_name()))),
    };
    if message.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return Err(Flaw("its message does not say `jsonrpc` 2.0".to_owned()));
    }
    match message.remove("method") {
        None => response(message),
        Some(Value::String(method)) => told(message, method),
        Some(_) => Err(Flaw("its message has a `method` that is not text".to_owned())),
    }
}

fn told(mut message: Object, method: String) -> Result<Incoming, Flaw> {
    let params = match message.remove("params") {
        None => Object::new(),
        Some(Value::Object(params)) => params,
        Some(_) => return Err(Flaw("its message has `params` that are not an object".to_owned())),
    };
    match message.remove("id") {
        None => Ok(Incoming::Notification { method, params }),
        Some(id @ (Value::String(_) | Value::Number(_))) => Ok(Incoming::Request { id, method, params }),
        Some(_) => Err(Flaw(
            "its request has an `id` that is neither text nor number".to_owned(),
        )),
    }
}

fn response(mut message: Object) -> Result<Incoming, Flaw> {
    let id = match message.get("id") {
        None | Some(Value::Null) => None,
        Some(id) => match id.as_u64() {
            Some(id) => Some(id),
            None => return Err(Flaw("its answer has an `id` we never use".to_owned())),
        },
    };
    let reply = match (message.remove("result"), message.remove("error")) {
        (Some(Value::Object(result)), None) => Reply::Result(result),
        (None, Some(Value::Object(error))) => Reply::Error(rpc_error(error)?),
        (Some(_), Some(_)) => return Err(Flaw("its answer is both a result and an error".to_owned())),
        (None, None) => return Err(Flaw("its message is neither request nor answer".to_owned())),
        _ => return Err(Flaw("its answer is not an object".to_owned())),
    };
    Ok(Incoming::Response { id, reply })
}

fn rpc_error(mut error: Object) -> Result<RpcError, Flaw> {
    let (Some(code), Some(Value::String(message))) =
        (error.get("code").and_then(Value::as_i64), error.remove("message"))
    else {
        return Err(Flaw("its error lacks `code` or `message`".to_owned()));
    };
    Ok(RpcError {
        code,
        message,
        data: error.remove("data"),
        http_status: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds() {
        assert_eq!(
            parse(br#"{"jsonrpc":"2.0","id":7,"result":{"n":1e400}}"#)
                .map(|m| matches!(m, Incoming::Response { id: Some(7), .. })),
            Ok(true)
        );
        assert_eq!(
            parse(br#"{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"x"}}"#),
            Ok(Incoming::Response {
                id: None,
                reply: Reply::Error(RpcError {
                    code: -32700,
                    message: "x".to_owned(),
                    data: None,
                    http_status: None
                })
            })
        );
        assert!(matches!(
            parse(br#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#),
            Ok(Incoming::Request { .. })
        ));
        assert!(matches!(
            parse(br#"{"jsonrpc":"2.0","method":"notifications/x","params":{}}"#),
            Ok(Incoming::Notification { .. })
        ));
    }

    #[test]
    fn malformed_messages_are_named() {
        for text in [
            "",
            "null",
            "[]",
            r#"[{"jsonrpc":"2.0","id":1,"result":{}}]"#,
            r#"{"id":1,"result":{}}"#,
            r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":[]}"#,
            r#"{"jsonrpc":"2.0","id":"1","result":{}}"#,
            r#"{"jsonrpc":"2.0","id":-1,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":"1","message":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"result":{}}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":NaN}}"#,
            r#"{"jsonrpc":"2.0","method":1}"#,
            r#"{"jsonrpc":"2.0","method":"x","params":[]}"#,
            r#"{"jsonrpc":"2.0","method":"x","id":{}}"#,
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}}}"#, "[".repeat(100));
        assert!(parse(deep.as_bytes()).is_err());
        assert!(parse(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"a\":\"\xff\"}}").is_err());
    }
}
