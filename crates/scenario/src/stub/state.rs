//! What a stub server offers now, and what has reached it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Map, Value};
use tokio::sync::{mpsc, watch};

use crate::file::{Answer, Entries, Server};

/// One request that asked for an effect or for content.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The JSON-RPC method.
    pub method: String,
    /// Tool, URI or prompt.
    pub target: String,
    /// The arguments.
    pub arguments: Value,
}

/// Everything about one stub server.
#[derive(Debug)]
pub(super) struct State {
    pub name: String,
    pub instructions: Option<String>,
    pub tools: Vec<Map<String, Value>>,
    pub resources: Vec<Map<String, Value>>,
    pub prompts: Vec<Map<String, Value>>,
    pub answers: Entries<Vec<Answer>>,
    /// Written with other spacing, escapes and order of keys.
    pub reformatted: bool,
    pub down: bool,
    /// Where answers write their files.
    pub folder: PathBuf,
    /// Planted secrets: name and value.
    pub secrets: Vec<(String, String)>,
    /// Secrets that reached this server, by name.
    pub leaked: BTreeSet<String>,
    pub received: Vec<Received>,
    /// How often the tools were listed.
    pub listed: u64,
    pub sessions: BTreeSet<String>,
    pub streams: Vec<Stream>,
    calls: BTreeMap<String, u64>,
    next: u64,
}

/// An open stream for notifications.
#[derive(Debug)]
pub(super) struct Stream {
    pub events: mpsc::Sender<Value>,
    /// The id of the `subscriptions/listen` request it answers; none on a legacy stream.
    pub subscription: Option<Value>,
}

impl State {
    pub fn new(name: &str, server: &Server, folder: PathBuf, secrets: Vec<(String, String)>) -> Self {
        Self {
            name: name.to_owned(),
            instructions: server.instructions.clone(),
            tools: server.tools.clone(),
            resources: server.resources.clone(),
            prompts: server.prompts.clone(),
            answers: server.answers.clone(),
            reformatted: false,
            down: false,
            folder,
            secrets,
            leaked: BTreeSet::new(),
            received: Vec::new(),
            listed: 0,
            sessions: BTreeSet::new(),
            streams: Vec::new(),
            calls: BTreeMap::new(),
            next: 0,
        }
    }

    /// Notes the planted secrets that `body` carries.
    pub fn look_for_secrets(&mut self, body: &str) {
        let found = self
            .secrets
            .iter()
            .filter(|(_, value)| body.contains(value.as_str()));
        self.leaked.extend(found.map(|(name, _)| name.clone()));
    }

    /// Remembers a request; answers which call of this target it is, from 1.
    pub fn arrived(&mut self, received: Received, changes: &watch::Sender<u64>) -> u64 {
        let count = self
            .calls
            .entry(format!("{} {}", received.method, received.target))
            .or_default();
        *count += 1;
        let nth = *count;
        self.received.push(received);
        changes.send_modify(|changes| *changes += 1);
        nth
    }

    /// The canned answer to the `nth` call of `tool`; the answer without one is `ok`.
    pub fn answer(&self, tool: &str, arguments: &Value, nth: u64) -> Answer {
        let fits = |answer: &&Answer| {
            let these = answer
                .with
                .as_ref()
                .is_none_or(|with| contains(arguments, &Value::Object(with.clone())));
            these && answer.nth.is_none_or(|wanted| wanted == nth)
        };
        let given = self
            .answers
            .get(tool)
            .and_then(|answers| answers.iter().find(fits));
        given.cloned().unwrap_or_else(|| Answer {
            text: Some("ok".to_owned()),
            ..Answer::default()
        })
    }

    /// A fresh session id.
    pub fn session(&mut self) -> String {
        self.next += 1;
        let id = format!("stub-{}-{}", self.name, self.next);
        self.sessions.insert(id.clone());
        id
    }
}

/// True when `whole` has everything that `part` has: members of maps, elements of lists at their places.
pub(crate) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => part
            .iter()
            .all(|(key, value)| whole.get(key).is_some_and(|held| contains(held, value))),
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(held, value)| contains(held, value))
        }
        (Value::Number(whole), Value::Number(part)) => whole == part || whole.as_f64() == part.as_f64(),
        _ => whole == part,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_found_in_the_whole() {
        let whole = json!({ "a": { "b": [1, { "c": "x" }] }, "d": true });
        assert!(contains(&whole, &json!({ "a": { "b": [1.0, { "c": "x" }] } })));
        assert!(contains(&whole, &json!({})));
        assert!(!contains(&whole, &json!({ "a": { "b": [1] } })));
        assert!(!contains(&whole, &json!({ "d": false })));
    }
}
