//! JSON-RPC errors, each with the HTTP status the modern revision wants beside it.

use http::StatusCode;
use remit_core::json::Value;

use super::Id;

const PARSE: i64 = -32700;
pub(crate) const INVALID_REQUEST: i64 = -32600;
pub(crate) const METHOD_NOT_FOUND: i64 = -32601;
pub(crate) const INVALID_PARAMS: i64 = -32602;
pub(crate) const INTERNAL: i64 = -32603;
/// 2026-07-28: headers and body differ.
pub(crate) const HEADER_MISMATCH: i64 = -32020;
/// 2026-07-28: the client lacks a capability the call needs.
pub(crate) const MISSING_CLIENT_CAPABILITY: i64 = -32021;
/// 2026-07-28: a version we do not speak.
pub(crate) const UNSUPPORTED_VERSION: i64 = -32022;
/// 2025-11-25: resource not found.
pub(crate) const NOT_FOUND_LEGACY: i64 = -32002;

/// An error towards the client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RpcError {
    /// HTTP status when the error is the whole response to a modern request, or a fault of the message itself.
    pub status: StatusCode,
    /// JSON-RPC code.
    pub code: i64,
    /// What is wrong, where, and what to do.
    pub message: String,
    /// Particulars.
    pub data: Option<Value>,
}

impl RpcError {
    /// An error with the status of its code.
    pub(crate) fn new(code: i64, message: impl Into<String>) -> Self {
        let status = match code {
            METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
            PARSE | INVALID_REQUEST | HEADER_MISMATCH | MISSING_CLIENT_CAPABILITY | UNSUPPORTED_VERSION => {
                StatusCode::BAD_REQUEST
            }
            _ => StatusCode::OK,
        };
        Self {
            status,
            code,
            message: message.into(),
            data: None,
        }
    }

    /// The document could not be read.
    pub(crate) fn parse(error: remit_core::json::Error) -> Self {
        let offset = i64::try_from(error.offset).unwrap_or(i64::MAX);
        Self::new(PARSE, format!("the body is not JSON we accept: {error}"))
            .with_data(remit_core::object! { "kind": error.kind.name(), "offset": offset })
    }

    /// The document is not a JSON-RPC message.
    pub(crate) fn invalid_request(message: impl Into<String>) -> Self {
        Self::new(INVALID_REQUEST, message)
    }

    /// The parameters of a method are wrong.
    pub(crate) fn invalid_params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// A request sent as a notification: nobody could be told what became of it.
    pub(crate) fn lacks_id(method: &str) -> Self {
        let shown: String = method.chars().take(80).flat_map(char::escape_debug).collect();
        Self::invalid_request(format!("`{shown}` is a request: give it an `id`"))
    }

    /// No such method.
    pub(crate) fn method_not_found(method: &str) -> Self {
        let shown: String = method.chars().take(80).flat_map(char::escape_debug).collect();
        Self::new(
            METHOD_NOT_FOUND,
            format!("the method `{shown}` is not served here in this revision"),
        )
    }

    /// Adds particulars.
    #[must_use]
    pub(crate) fn with_data(mut self, data: Value) -> Self {
        self.data = Some(data);
        self
    }

    /// Changes the HTTP status.
    #[must_use]
    pub(crate) const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }
}

/// An error about one message, with the id it answers where that could be read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fault {
    /// Whom it answers.
    pub id: Option<Id>,
    /// What is wrong.
    pub error: RpcError,
}

impl From<RpcError> for Fault {
    fn from(error: RpcError) -> Self {
        Self { id: None, error }
    }
}
