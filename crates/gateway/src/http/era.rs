//! Which revision a message speaks: decided by its `_meta` and the version header, never by its method alone.

use axum::http::HeaderMap;
use remit_core::json::{Object, Value};
use remit_core::{array, object};

use crate::mcp::client;
use crate::mcp::mirror::{self, mismatch};
use crate::ports::Era;
use crate::revision::{LEGACY, META_VERSION, MODERN};
use crate::rpc::{Incoming, RpcError, UNSUPPORTED_VERSION};

/// The era of `incoming`; a modern one has a good version in both places.
///
/// # Errors
/// `-32602` when a modern request lacks its version, `-32020` when header and body differ, `-32022` for versions we
/// do not speak. HTTP 400.
pub(crate) fn of(headers: &HeaderMap, incoming: &Incoming) -> Result<Era, RpcError> {
    let header = mirror::single(headers, mirror::VERSION)?;
    let (params, is_request, handshake) = match incoming {
        Incoming::Request { method, params, .. } => (Some(params), true, method == "initialize"),
        Incoming::Notification { params, .. } => (Some(params), false, false),
        Incoming::Response { .. } => (None, false, false),
    };
    let claimed = client::claimed_version(params.and_then(meta))?;
    match (header, claimed) {
        (None, None) => Ok(Era::Legacy),
        (Some(header), None) if header == MODERN && is_request && !handshake => {
            Err(client::missing(META_VERSION))
        }
        (Some(header), None) if header == MODERN && handshake => Err(mismatch(format!(
            "`initialize` belongs to earlier revisions, but the header `{}` says `{MODERN}`",
            mirror::VERSION
        ))),
        (Some(header), None) if header == MODERN => Ok(Era::Modern),
        (Some(header), None) if LEGACY.contains(&header) || handshake => Ok(Era::Legacy),
        (Some(other), None) => Err(unsupported(other)),
        (None, Some(claimed)) if is_request => Err(mismatch(format!(
            "the header `{}` is missing, the body says `{}`",
            mirror::VERSION,
            shown(claimed)
        ))),
        (Some(header), Some(claimed)) if header != claimed => Err(mismatch(format!(
            "the header `{}` is `{header}`, the body says `{}`",
            mirror::VERSION,
            shown(claimed)
        ))),
        (_, Some(MODERN)) => Ok(Era::Modern),
        (_, Some(other)) => Err(unsupported(other)),
    }
}

fn meta(params: &Object) -> Option<&Object> {
    params.get("_meta").and_then(Value::as_object)
}

fn shown(text: &str) -> String {
    text.chars().take(40).flat_map(char::escape_debug).collect()
}

fn unsupported(requested: &str) -> RpcError {
    let requested = shown(requested);
    RpcError::new(
        UNSUPPORTED_VERSION,
        format!("the revision `{requested}` is not spoken here this way: use `{MODERN}`, or `initialize`"),
    )
    .with_data(object! { "supported": array![MODERN], "requested": requested })
}
