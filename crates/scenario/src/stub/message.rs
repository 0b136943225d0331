//! JSON-RPC as a stub server reads and answers it.

use serde_json::{Map, Value, json};

/// A request or a notification.
#[derive(Debug)]
pub(super) struct Message {
    /// None for a notification, and for what is no request at all.
    pub id: Option<Value>,
    pub method: String,
    pub params: Map<String, Value>,
}

impl Message {
    pub fn read(body: &str) -> Option<Self> {
        let Ok(Value::Object(mut message)) = serde_json::from_str(body) else {
            return None;
        };
        let params = match message.remove("params") {
            Some(Value::Object(params)) => params,
            _ => Map::new(),
        };
        Some(Self {
            id: message.remove("id"),
            method: message.get("method")?.as_str()?.to_owned(),
            params,
        })
    }

    /// The member of `_meta`.
    pub fn meta(&self, key: &str) -> Option<&Value> {
        self.params.get("_meta")?.get(key)
    }

    pub fn text(&self, key: &str) -> String {
        self.params
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }
}

/// What one request is answered.
#[derive(Debug)]
pub(super) enum Reply {
    /// A result.
    Result(Map<String, Value>),
    /// An error, with the HTTP status that a modern server gives it.
    Error {
        status: u16,
        code: i64,
        message: String,
        data: Option<Value>,
    },
    /// Nothing, ever.
    Hang,
    /// The connection breaks off.
    Crash,
}

impl Reply {
    pub fn result(value: Value) -> Self {
        match value {
            Value::Object(result) => Self::Result(result),
            _ => Self::Result(Map::new()),
        }
    }

    pub fn error(status: u16, code: i64, message: impl Into<String>) -> Self {
        Self::Error {
            status,
            code,
            message: message.into(),
            data: None,
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it becomes part of the message")]
pub(super) fn response(id: &Value, result: Map<String, Value>) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "result": result })
}

pub(super) fn failure(id: Option<&Value>, code: i64, message: &str, data: Option<Value>) -> Value {
    let mut error = json!({ "code": code, "message": message });
    if let (Some(data), Value::Object(error)) = (data, &mut error) {
        error.insert("data".to_owned(), data);
    }
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}
