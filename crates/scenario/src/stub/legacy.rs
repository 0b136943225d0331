//! A stub server of revision 2025-11-25: `initialize`, a session, a stream for notifications.

use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use super::answers::{self, METHOD_NOT_FOUND};
use super::message::{Message, Reply};
use super::state::{State, Stream};

const REVISION: &str = "2025-11-25";
/// Notifications that may wait for a slow reader.
const WAITING: usize = 64;

/// What follows from one message.
pub(super) enum Next {
    /// One message, with the session it opens.
    Reply(Reply, Option<String>),
    /// Nothing but a status.
    Status(u16),
}

pub(super) fn post(
    state: &mut State,
    changes: &watch::Sender<u64>,
    session: Option<&str>,
    message: &Message,
) -> Next {
    if message.method == "initialize" {
        let mut result = json!({
            "protocolVersion": REVISION,
            "capabilities": answers::capabilities(state),
            "serverInfo": { "name": state.name, "version": "1" },
        });
        if let (Value::Object(result), Some(text)) = (&mut result, &state.instructions) {
            result.insert("instructions".to_owned(), json!(text));
        }
        let session = state.session();
        return Next::Reply(Reply::result(result), Some(session));
    }
    match session {
        None => return Next::Reply(Reply::error(400, -32600, "no session: initialize first"), None),
        Some(known) if state.sessions.contains(known) => {}
        Some(_) => return Next::Reply(Reply::error(404, -32600, "unknown session"), None),
    }
    if message.id.is_none() {
        return Next::Status(202);
    }
    let reply = match message.method.as_str() {
        "ping" | "logging/setLevel" => Reply::result(json!({})),
        method => answers::answer(state, changes, message)
            .unwrap_or_else(|| Reply::error(200, METHOD_NOT_FOUND, format!("unknown method {method}"))),
    };
    Next::Reply(reply, None)
}

/// A stream for notifications.
pub(super) fn listen(state: &mut State) -> mpsc::Receiver<Value> {
    let (events, receiver) = mpsc::channel(WAITING);
    state.streams.push(Stream {
        events,
        subscription: None,
    });
    receiver
}
