//! MCP requests as an agent's client sends them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use ::http::Method;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value, json};
use tokio::sync::Mutex;

use super::answer::{Answer, Outcome};
use super::http::{self, Response};
use crate::file::Revision;

/// The client of one agent at one gateway.
#[derive(Debug)]
pub(crate) struct Client {
    agent: String,
    revision: Revision,
    next: AtomicU64,
    /// Sessions of the legacy revision, by token and path.
    sessions: Mutex<BTreeMap<(Option<String>, String), String>>,
}

/// Who shows which token, and where from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Caller {
    /// `host:port` of the gateway.
    pub address: String,
    /// The bearer token.
    pub token: Option<String>,
    /// A `Host` header that is not the right one.
    pub host: Option<String>,
    /// An `Origin` header.
    pub origin: Option<String>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    /// Below the gateway: `/mcp/{server}` or `/mcp`.
    pub path: String,
    /// The JSON-RPC method.
    pub method: &'static str,
    /// What the `Mcp-Name` header says, where the method has one.
    pub name: Option<String>,
    /// Members of `params`, each as JSON text.
    pub params: Vec<(&'static str, String)>,
}

impl Ask {
    /// `tools/call`; `arguments` is JSON text and sent as it is.
    pub fn tool(path: &str, name: &str, arguments: String) -> Self {
        Self {
            path: path.to_owned(),
            method: "tools/call",
            name: Some(name.to_owned()),
            params: vec![("name", json!(name).to_string()), ("arguments", arguments)],
        }
    }

    /// `resources/read`.
    pub fn resource(path: &str, uri: &str) -> Self {
        Self {
            path: path.to_owned(),
            method: "resources/read",
            name: Some(uri.to_owned()),
            params: vec![("uri", json!(uri).to_string())],
        }
    }

    /// `prompts/get`.
    pub fn prompt(path: &str, name: &str, arguments: &Map<String, Value>) -> Self {
        Self {
            path: path.to_owned(),
            method: "prompts/get",
            name: Some(name.to_owned()),
            params: vec![
                ("name", json!(name).to_string()),
                ("arguments", Value::Object(arguments.clone()).to_string()),
            ],
        }
    }

    /// A list.
    pub fn list(path: &str, method: &'static str) -> Self {
        Self {
            path: path.to_owned(),
            method,
            name: None,
            params: Vec::new(),
        }
    }

    fn body(&self, id: u64, meta: Option<&Value>) -> String {
        let mut params: Vec<String> = self
            .params
            .iter()
            .map(|(key, text)| format!("\"{key}\":{text}"))
            .collect();
        params.extend(meta.map(|meta| format!("\"_meta\":{meta}")));
        let params = params.join(",");
        format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{}\",\"params\":{{{params}}}}}",
            self.method
        )
    }
}

impl Client {
    pub fn new(agent: &str, revision: Revision) -> Self {
        Self {
            agent: agent.to_owned(),
            revision,
            next: AtomicU64::new(1),
            sessions: Mutex::default(),
        }
    }

    /// Asks, and waits for the answer.
    pub async fn ask(&self, caller: &Caller, ask: &Ask) -> Answer {
        let answered = match self.revision {
            Revision::Modern => self.modern(caller, ask).await,
            Revision::Legacy => self.legacy(caller, ask).await,
        };
        answered.unwrap_or_else(Answer::nothing)
    }

    /// The names of a list.
    pub fn items(answer: &Answer) -> Vec<String> {
        let Outcome::Result(result) = &answer.outcome else {
            return Vec::new();
        };
        let entries = ["tools", "resources", "prompts"]
            .into_iter()
            .filter_map(|key| result.get(key)?.as_array())
            .flatten();
        entries
            .filter_map(|entry| entry.get("uri").or_else(|| entry.get("name"))?.as_str())
            .map(str::to_owned)
            .collect()
    }

    async fn modern(&self, caller: &Caller, ask: &Ask) -> Result<Answer, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let meta = json!({
            "io.modelcontextprotocol/protocolVersion": self.revision.as_str(),
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": { "name": self.agent, "version": "1" },
        });
        let mut headers = self.headers(caller);
        headers.push((
            "mcp-protocol-version".to_owned(),
            self.revision.as_str().to_owned(),
        ));
        headers.push(("mcp-method".to_owned(), ask.method.to_owned()));
        headers.extend(
            ask.name
                .as_deref()
                .map(|name| ("mcp-name".to_owned(), header_text(name))),
        );
        let response = http::send(
            &caller.address,
            Method::POST,
            &ask.path,
            &headers,
            ask.body(id, Some(&meta)),
            |body| message(body, id).is_some(),
        );
        Ok(answer(&response.await?, id))
    }

    async fn legacy(&self, caller: &Caller, ask: &Ask) -> Result<Answer, String> {
        let key = (caller.token.clone(), ask.path.clone());
        let known = self.sessions.lock().await.get(&key).cloned();
        let had_one = known.is_some();
        let session = match known {
            Some(session) => Some(session),
            None => match self.initialize(caller, &ask.path).await? {
                Ok(session) => session,
                Err(refused) => return Ok(refused),
            },
        };
        if let Some(session) = &session {
            self.sessions.lock().await.insert(key.clone(), session.clone());
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let mut headers = self.headers(caller);
        headers.push((
            "mcp-protocol-version".to_owned(),
            self.revision.as_str().to_owned(),
        ));
        headers.extend(session.map(|session| ("mcp-session-id".to_owned(), session)));
        let response = http::send(
            &caller.address,
            Method::POST,
            &ask.path,
            &headers,
            ask.body(id, None),
            |body| message(body, id).is_some(),
        );
        let answer = answer(&response.await?, id);
        if answer.status == 404 && had_one {
            // The session is gone, as after a restart: begin a new one, once.
            self.sessions.lock().await.remove(&key);
            return Box::pin(self.legacy(caller, ask)).await;
        }
        Ok(answer)
    }

    /// Begins a session; `Err` inside is the gateway's refusal.
    async fn initialize(
        &self,
        caller: &Caller,
        path: &str,
    ) -> Result<Result<Option<String>, Answer>, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let params = json!({
            "protocolVersion": self.revision.as_str(),
            "capabilities": {},
            "clientInfo": { "name": self.agent, "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": id, "method": "initialize", "params": params });
        let headers = self.headers(caller);
        let response = http::send(
            &caller.address,
            Method::POST,
            path,
            &headers,
            body.to_string(),
            |body| message(body, id).is_some(),
        );
        let response = response.await?;
        let initialized = answer(&response, id);
        if !matches!(initialized.outcome, Outcome::Result(_)) {
            return Ok(Err(initialized));
        }
        let session = response
            .headers
            .get("mcp-session-id")
            .and_then(|id| id.to_str().ok())
            .map(str::to_owned);
        let mut headers = self.headers(caller);
        headers.push((
            "mcp-protocol-version".to_owned(),
            self.revision.as_str().to_owned(),
        ));
        headers.extend(
            session
                .clone()
                .map(|session| ("mcp-session-id".to_owned(), session)),
        );
        let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        http::send(
            &caller.address,
            Method::POST,
            path,
            &headers,
            body.to_string(),
            |_| true,
        )
        .await?;
        Ok(Ok(session))
    }

    fn headers(&self, caller: &Caller) -> Vec<(String, String)> {
        let mut headers = vec![
            (
                "host".to_owned(),
                caller.host.clone().unwrap_or_else(|| caller.address.clone()),
            ),
            ("content-type".to_owned(), "application/json".to_owned()),
            (
                "accept".to_owned(),
                "application/json, text/event-stream".to_owned(),
            ),
            ("user-agent".to_owned(), self.agent.clone()),
        ];
        headers.extend(
            caller
                .token
                .as_ref()
                .map(|token| ("authorization".to_owned(), format!("Bearer {token}"))),
        );
        headers.extend(caller.origin.clone().map(|origin| ("origin".to_owned(), origin)));
        headers
    }
}

/// A header value: what is not visible ASCII goes as base64 (MCP 2026-07-28, SEP-2243).
fn header_text(text: &str) -> String {
    let plain = text.bytes().all(|b| (0x21..=0x7e).contains(&b)) && !text.starts_with("=?");
    if plain {
        text.to_owned()
    } else {
        format!("=?base64?{}?=", BASE64.encode(text))
    }
}

/// The message with this id in a JSON body or an event stream.
fn message(body: &str, id: u64) -> Option<Value> {
    let wanted = |text: &str| {
        let value: Value = serde_json::from_str(text).ok()?;
        let mine = value.get("id") == Some(&json!(id)) && value.get("method").is_none();
        mine.then_some(value)
    };
    wanted(body).or_else(|| {
        body.lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .find_map(wanted)
    })
}

fn answer(response: &Response, id: u64) -> Answer {
    let status = response.status.as_u16();
    // A refusal at the door knows no id yet.
    let value = message(&response.body, id).or_else(|| serde_json::from_str(&response.body).ok());
    let outcome = match value {
        Some(value) => match (value.get("result"), value.get("error")) {
            (Some(result), _) => Outcome::Result(result.clone()),
            (None, Some(error)) => Outcome::Error {
                code: error.get("code").and_then(Value::as_i64).unwrap_or_default(),
                message: error
                    .get("message")
                    .and_then(Value::as_str)
                    .unwrap_or_default()
                    .to_owned(),
                data: error.get("data").cloned().unwrap_or(Value::Null),
            },
            (None, None) => Outcome::Nothing(format!("HTTP {status} without a result")),
        },
        None => Outcome::Nothing(format!("HTTP {status} without an answer to this request")),
    };
    Answer { status, outcome }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_found_in_both_forms() {
        let plain = r#"{"jsonrpc":"2.0","id":3,"result":{}}"#;
        assert!(message(plain, 3).is_some());
        assert!(message(plain, 4).is_none());
        let stream = format!(
            ": ping\n\nevent: message\ndata: {{\"method\":\"x\",\"id\":3}}\n\nid: 7\ndata:\n\ndata: {plain}\n\n"
        );
        assert_eq!(message(&stream, 3).unwrap()["result"], json!({}));
    }

    #[test]
    fn headers_carry_any_name() {
        assert_eq!(header_text("read_file"), "read_file");
        assert_eq!(header_text("Hello there"), "=?base64?SGVsbG8gdGhlcmU=?=");
    }
}
