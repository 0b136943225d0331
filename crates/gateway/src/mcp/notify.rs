//! Notifications towards the client.

use remit_core::json::{Object, Value};

use crate::ports::{Era, Notice};
use crate::rpc;

use super::client::Client;
use super::level;

/// `notifications/progress` with the client's own token; `None` when it gave none.
pub(crate) fn progress(client: &Client, mut given: Object) -> Option<Vec<u8>> {
    let token = client.progress_token.clone()?;
    let mut params = Object::new();
    for key in ["progress", "total", "message"] {
        if let Some(value) = given.remove(key) {
            params.insert(key, value);
        }
    }
    params.insert("progressToken", token);
    Some(rpc::notification("notifications/progress", &params))
}

/// `notifications/message` when the client wants that level.
pub(crate) fn log(era: Era, asked: Option<&str>, params: &Object) -> Option<Vec<u8>> {
    let passes = match (asked, era) {
        (Some(asked), _) => level::passes(params.get("level").and_then(Value::as_str), asked),
        (None, Era::Legacy) => true,
        (None, Era::Modern) => false,
    };
    passes.then(|| rpc::notification("notifications/message", params))
}

/// Method and parameters of a notice, except for log messages.
pub(crate) fn change(notice: &Notice) -> Option<(&'static str, Object)> {
    let (method, uri) = match notice {
        Notice::ToolsChanged => ("notifications/tools/list_changed", None),
        Notice::PromptsChanged => ("notifications/prompts/list_changed", None),
        Notice::ResourcesChanged => ("notifications/resources/list_changed", None),
        Notice::ResourceUpdated(uri) => ("notifications/resources/updated", Some(uri)),
        Notice::Log(_) => return None,
    };
    let mut params = Object::new();
    if let Some(uri) = uri {
        params.insert("uri", uri.as_str());
    }
    Some((method, params))
}
