//! A stub server of revision 2026-07-28: every request stands alone.

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::answers::{self, INVALID_PARAMS, METHOD_NOT_FOUND};
use super::message::{Message, Reply};
use super::state::{State, Stream};

const REVISION: &str = "2026-07-28";
const VERSION: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";
/// MCP: a revision this server does not speak.
const UNSUPPORTED_VERSION: i64 = -32022;
/// Notifications that may wait for a slow reader.
const WAITING: usize = 64;

/// What follows from one request.
pub(super) enum Next {
    /// One message.
    Reply(Reply),
    /// A stream of notifications.
    Listen(mpsc::Receiver<Value>),
}

pub(super) fn answer(state: &mut State, changes: &watch::Sender<u64>, message: &Message) -> Next {
    match message.meta(VERSION).and_then(Value::as_str) {
        None => {
            let known =
                ["initialize", "ping", "notifications/initialized"].contains(&message.method.as_str());
            let (status, code) = if known {
                (404, METHOD_NOT_FOUND)
            } else {
                (400, INVALID_PARAMS)
            };
            let text = format!("`_meta` lacks `{VERSION}`: this server speaks {REVISION} only");
            return Next::Reply(Reply::error(status, code, text));
        }
        Some(REVISION) => {}
        Some(other) => {
            return Next::Reply(Reply::Error {
                status: 400,
                code: UNSUPPORTED_VERSION,
                message: format!("unsupported protocol version {other}"),
                data: Some(json!({ "supported": [REVISION], "requested": other })),
            });
        }
    }
    if message.meta(CAPABILITIES).is_none() {
        return Next::Reply(Reply::error(
            400,
            INVALID_PARAMS,
            format!("`_meta` lacks `{CAPABILITIES}`"),
        ));
    }
    match message.method.as_str() {
        "server/discover" => Next::Reply(finish(state, "server/discover", discover(state))),
        "subscriptions/listen" => Next::Listen(listen(state, message)),
        method => Next::Reply(match answers::answer(state, changes, message) {
            Some(reply) => finish(state, method, reply),
            None => Reply::error(404, METHOD_NOT_FOUND, format!("unknown method {method}")),
        }),
    }
}

fn discover(state: &State) -> Reply {
    let mut result = json!({ "supportedVersions": [REVISION], "capabilities": answers::capabilities(state) });
    if let (Value::Object(result), Some(text)) = (&mut result, &state.instructions) {
        result.insert("instructions".to_owned(), json!(text));
    }
    Reply::result(result)
}

/// Adds what this revision wants in every result, and in what may be kept.
fn finish(state: &State, method: &str, reply: Reply) -> Reply {
    let Reply::Result(mut result) = reply else {
        return reply;
    };
    result.entry("resultType").or_insert_with(|| json!("complete"));
    if method.ends_with("/list") || method == "server/discover" || method == "resources/read" {
        result.entry("ttlMs").or_insert_with(|| json!(0));
        result.entry("cacheScope").or_insert_with(|| json!("private"));
    }
    let info = json!({ SERVER_INFO: { "name": state.name, "version": "1" } });
    result.entry("_meta").or_insert(info);
    Reply::Result(result)
}

fn listen(state: &mut State, message: &Message) -> mpsc::Receiver<Value> {
    let (events, receiver) = mpsc::channel(WAITING);
    let subscription = message.id.clone().unwrap_or(Value::Null);
    let acknowledged = json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {
            "notifications": message.params.get("notifications").cloned().unwrap_or_else(|| json!({})),
            "_meta": { SUBSCRIPTION: subscription },
        },
    });
    // The channel is fresh: there is room.
    let _ = events.try_send(acknowledged);
    state.streams.push(Stream {
        events,
        subscription: Some(subscription),
    });
    receiver
}

/// Tells everybody who listens that the tools changed.
pub(super) fn tools_changed(state: &mut State) {
    state.streams.retain(|stream| {
        let params = match &stream.subscription {
            Some(id) => json!({ "_meta": { SUBSCRIPTION: id } }),
            None => json!({}),
        };
        let notice =
            json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": params });
        !matches!(
            stream.events.try_send(notice),
            Err(mpsc::error::TrySendError::Closed(_))
        )
    });
}
