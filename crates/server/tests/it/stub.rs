//! `StubServer`: a small MCP server (streamable HTTP, JSON answers) that counts what reaches it. It speaks 2025-11-25, or
//! 2026-07-28 when it was started to want second rounds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

/// What the stub shows and has seen.
pub struct Inner {
    pub tools: Mutex<Value>,
    pub prompts: Mutex<Value>,
    pub instructions: Mutex<String>,
    pub received: Mutex<Vec<Value>>,
    pub delay: Mutex<std::time::Duration>,
    /// Answers a call without `requestState` with one that asks for another round, in this state.
    rounds: Option<&'static str>,
    /// What it asks the client for then.
    pub asks: Mutex<Value>,
}

/// A running stub.
#[derive(Clone)]
pub struct StubServer {
    pub inner: Arc<Inner>,
    pub address: SocketAddr,
}

impl StubServer {
    pub async fn start() -> Self {
        Self::with_rounds(None).await
    }

    pub async fn with_rounds(rounds: Option<&'static str>) -> Self {
        let inner = Arc::new(Inner {
            tools: Mutex::new(tools()),
            prompts: Mutex::new(json!([
                {"name": "greet", "description": "Greets"},
                {"name": "part", "description": "Says goodbye"},
            ])),
            instructions: Mutex::new("Files of the team.".to_owned()),
            received: Mutex::default(),
            delay: Mutex::default(),
            rounds,
            asks: Mutex::new(json!({})),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new()
            .route("/mcp", post(answer))
            .with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { inner, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// How long it takes to answer a call.
    pub fn delay(&self, delay: std::time::Duration) {
        *self.inner.delay.lock().unwrap() = delay;
    }

    /// Arguments of every tools/call that arrived.
    pub fn received(&self) -> Vec<Value> {
        self.inner.received.lock().unwrap().clone()
    }
}

/// One tool of each kind that decisions tell apart.
fn tools() -> Value {
    let path = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    json!([
        {"name": "read_file", "description": "Reads a file", "inputSchema": path},
        {"name": "write_file", "description": "Writes a file", "inputSchema":
            {"type": "object", "properties": {"path": {"type": "string"}, "content": {"type": "string"}}, "required": ["path", "content"]}},
        {"name": "delete_file", "description": "Deletes a file", "inputSchema": path},
        {"name": "frobnicate", "description": "Nobody knows", "inputSchema": {"type": "object"}},
    ])
}

async fn answer(State(inner): State<Arc<Inner>>, Json(message): Json<Value>) -> Response {
    let Some(id) = message.get("id").cloned() else {
        return StatusCode::ACCEPTED.into_response();
    };
    let result = match message["method"].as_str() {
        Some("server/discover") if inner.rounds.is_some() => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
            "ttlMs": 0, "cacheScope": "private",
        }),
        Some("tools/list") if inner.rounds.is_some() => json!({
            "resultType": "complete", "tools": inner.tools.lock().unwrap().clone(), "ttlMs": 0, "cacheScope": "private",
        }),
        Some("tools/call") if inner.rounds.is_some() => {
            inner.received.lock().unwrap().push(message["params"].clone());
            match message["params"].get("requestState") {
                None => {
                    json!({"resultType": "input_required", "inputRequests": inner.asks.lock().unwrap().clone(), "requestState": inner.rounds})
                }
                Some(_) => json!({"resultType": "complete", "content": [{"type": "text", "text": "done"}]}),
            }
        }
        Some("initialize") if inner.rounds.is_none() => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {"tools": {}, "prompts": {}},
            "serverInfo": {"name": "stub", "version": "1"},
            "instructions": inner.instructions.lock().unwrap().clone(),
        }),
        Some("prompts/list") => json!({"prompts": inner.prompts.lock().unwrap().clone()}),
        Some("prompts/get") => {
            inner.received.lock().unwrap().push(message["params"].clone());
            json!({"messages": []})
        }
        Some("tools/list") => json!({"tools": inner.tools.lock().unwrap().clone()}),
        Some("tools/call") => {
            inner.received.lock().unwrap().push(message["params"].clone());
            let delay = *inner.delay.lock().unwrap();
            tokio::time::sleep(delay).await;
            json!({"content": [{"type": "text", "text": format!("did {}", message["params"]["name"])}]})
        }
        _ => {
            return Json(
                json!({"jsonrpc": "2.0", "id": id, "error": {"code": -32601, "message": "no such method"}}),
            )
            .into_response();
        }
    };
    Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
}
