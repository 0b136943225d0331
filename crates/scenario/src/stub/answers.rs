//! What a stub server answers, whatever its revision: lists, calls, reads, prompts.

use serde_json::{Map, Value, json};

use super::message::{Message, Reply};
use super::state::{Received, State};
use crate::file::Answer;
use tokio::sync::watch;

/// JSON-RPC: no such method.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC: the parameters do not fit.
pub(super) const INVALID_PARAMS: i64 = -32602;
/// Members of list entries that are the stub's own.
const OURS: &str = "text";

/// The answer to one request; `None` when the method is none of these.
pub(super) fn answer(state: &mut State, changes: &watch::Sender<u64>, message: &Message) -> Option<Reply> {
    Some(match message.method.as_str() {
        "tools/list" => {
            state.listed += 1;
            changes.send_modify(|changes| *changes += 1);
            Reply::result(json!({ "tools": state.tools }))
        }
        "resources/list" => Reply::result(json!({ "resources": without_text(&state.resources) })),
        "resources/templates/list" => Reply::result(json!({ "resourceTemplates": [] })),
        "prompts/list" => Reply::result(json!({ "prompts": without_text(&state.prompts) })),
        "tools/call" => call(state, changes, message),
        "resources/read" => read(state, changes, message),
        "prompts/get" => prompt(state, changes, message),
        _ => return None,
    })
}

/// What the server can do.
pub(super) fn capabilities(state: &State) -> Value {
    let mut capabilities = json!({ "tools": { "listChanged": true } });
    if let Value::Object(capabilities) = &mut capabilities {
        if !state.resources.is_empty() {
            capabilities.insert("resources".to_owned(), json!({}));
        }
        if !state.prompts.is_empty() {
            capabilities.insert("prompts".to_owned(), json!({}));
        }
    }
    capabilities
}

fn without_text(entries: &[Map<String, Value>]) -> Vec<Value> {
    let stripped = entries.iter().map(|entry| {
        let shown = entry.iter().filter(|(key, _)| *key != OURS);
        Value::Object(shown.map(|(key, value)| (key.clone(), value.clone())).collect())
    });
    stripped.collect()
}

fn arrived(state: &mut State, changes: &watch::Sender<u64>, message: &Message, target: &str) -> (Value, u64) {
    let arguments = message
        .params
        .get("arguments")
        .cloned()
        .unwrap_or_else(|| json!({}));
    let received = Received {
        method: message.method.clone(),
        target: target.to_owned(),
        arguments: arguments.clone(),
    };
    let nth = state.arrived(received, changes);
    (arguments, nth)
}

fn call(state: &mut State, changes: &watch::Sender<u64>, message: &Message) -> Reply {
    let tool = message.text("name");
    let (arguments, nth) = arrived(state, changes, message, &tool);
    if !state
        .tools
        .iter()
        .any(|definition| definition.get("name").and_then(Value::as_str) == Some(&tool))
    {
        return Reply::error(200, INVALID_PARAMS, format!("Tool {tool} not found"));
    }
    let answer = state.answer(&tool, &arguments, nth);
    for file in &answer.writes.0 {
        let path = state.folder.join(&file.name);
        if let Err(error) = std::fs::write(&path, &file.value) {
            return Reply::error(200, -32000, format!("cannot write {}: {error}", path.display()));
        }
    }
    canned(answer)
}

fn canned(answer: Answer) -> Reply {
    let said = |text: &str, is_error: bool| {
        Reply::result(json!({ "content": [{ "type": "text", "text": text }], "isError": is_error }))
    };
    if answer.hang {
        return Reply::Hang;
    }
    if answer.crash {
        return Reply::Crash;
    }
    if let Some(error) = answer.error {
        return Reply::error(200, error.code, error.message);
    }
    if let Some(result) = answer.result {
        return Reply::Result(result);
    }
    if let Some(text) = answer.tool_error {
        return said(&text, true);
    }
    if let Some(bytes) = answer.huge {
        return said(
            &"x".repeat(usize::try_from(bytes).unwrap_or(usize::MAX).min(1 << 30)),
            false,
        );
    }
    said(answer.text.as_deref().unwrap_or("ok"), false)
}

fn named<'e>(entries: &'e [Map<String, Value>], key: &str, name: &str) -> Option<&'e Map<String, Value>> {
    entries
        .iter()
        .find(|entry| entry.get(key).and_then(Value::as_str) == Some(name))
}

fn text_of(entry: &Map<String, Value>) -> &str {
    entry.get(OURS).and_then(Value::as_str).unwrap_or_default()
}

fn read(state: &mut State, changes: &watch::Sender<u64>, message: &Message) -> Reply {
    let uri = message.text("uri");
    arrived(state, changes, message, &uri);
    match named(&state.resources, "uri", &uri) {
        Some(entry) => {
            let mime = entry
                .get("mimeType")
                .and_then(Value::as_str)
                .unwrap_or("text/plain");
            let text = text_of(entry);
            Reply::result(json!({ "contents": [{ "uri": uri, "mimeType": mime, "text": text }] }))
        }
        None => Reply::Error {
            status: 200,
            code: INVALID_PARAMS,
            message: format!("Resource {uri} not found"),
            data: Some(json!({ "uri": uri })),
        },
    }
}

fn prompt(state: &mut State, changes: &watch::Sender<u64>, message: &Message) -> Reply {
    let name = message.text("name");
    arrived(state, changes, message, &name);
    match named(&state.prompts, "name", &name) {
        Some(entry) => {
            let content = json!({ "type": "text", "text": text_of(entry) });
            Reply::result(json!({ "messages": [{ "role": "user", "content": content }] }))
        }
        None => Reply::error(200, INVALID_PARAMS, format!("Prompt {name} not found")),
    }
}
