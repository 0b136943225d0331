//! `Locked`: an MCP server that wants a token, and the authorization server that gives it. Refresh tokens rotate, and a
//! used one ends the whole family (OAuth 2.1, section 4.3.1).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

#[derive(Default)]
pub struct Seen {
    /// Access tokens that open the door.
    pub good: BTreeSet<String>,
    /// The one refresh token that may be used.
    pub refresh: String,
    /// Grants redeemed, by type.
    pub grants: Vec<String>,
    /// `Authorization` of every request to the MCP server.
    pub presented: Vec<String>,
    /// Tools called.
    pub calls: usize,
    /// Life of the next access token, in seconds.
    pub expires_in: u64,
    /// Tokens that were revoked, with their hints; `None` = it revokes none and says so.
    pub revoked: Option<Vec<String>>,
    given: usize,
}

#[derive(Clone)]
pub struct Locked {
    pub seen: Arc<Mutex<Seen>>,
    pub address: SocketAddr,
}

impl Locked {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let it = Self {
            seen: Arc::new(Mutex::new(Seen {
                expires_in: 3600,
                revoked: Some(Vec::new()),
                ..Seen::default()
            })),
            address: listener.local_addr().unwrap(),
        };
        let routes = Router::new()
            .route("/mcp", post(mcp))
            .route("/.well-known/oauth-protected-resource/mcp", get(resource))
            .route("/.well-known/oauth-authorization-server", get(metadata))
            .route("/token", post(token))
            .route("/revoke", post(revoke))
            .route("/api/{id}", get(api))
            .with_state(it.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        it
    }

    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Nothing that was given counts any more.
    pub fn revoke_everything(&self) {
        let mut seen = self.seen.lock().unwrap();
        seen.good.clear();
        seen.refresh.clear();
    }
}

async fn resource(State(it): State<Locked>) -> Json<Value> {
    Json(json!({"resource": format!("{}/mcp", it.issuer()), "authorization_servers": [it.issuer()]}))
}

async fn metadata(State(it): State<Locked>) -> Json<Value> {
    let issuer = it.issuer();
    let revokes = it.seen.lock().unwrap().revoked.is_some();
    Json(json!({
        "revocation_endpoint": revokes.then(|| format!("{issuer}/revoke")),
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn token(State(it): State<Locked>, body: Bytes) -> Response {
    let form = String::from_utf8(body.to_vec()).unwrap();
    let field = |name: &str| {
        let mut fields = form.split('&').filter_map(|pair| pair.split_once('='));
        fields
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned())
            .unwrap_or_default()
    };
    let mut seen = it.seen.lock().unwrap();
    let grant = field("grant_type");
    seen.grants.push(grant.clone());
    let good = match grant.as_str() {
        "authorization_code" => field("code") == "good-code" && field("code_verifier").len() >= 43,
        "refresh_token" => !seen.refresh.is_empty() && field("refresh_token") == seen.refresh,
        _ => false,
    };
    if !good {
        seen.refresh.clear();
        seen.good.clear();
        return (StatusCode::BAD_REQUEST, Json(json!({"error": "invalid_grant"}))).into_response();
    }
    seen.given += 1;
    let access = format!("upstream-access-token-{}", seen.given);
    seen.refresh = format!("upstream-refresh-token-{}", seen.given);
    seen.good.insert(access.clone());
    let life = std::mem::replace(&mut seen.expires_in, 3600);
    Json(json!({
        "access_token": access, "token_type": "Bearer", "expires_in": life, "refresh_token": seen.refresh,
    }))
    .into_response()
}

/// RFC 7009.
async fn revoke(State(it): State<Locked>, body: Bytes) -> StatusCode {
    let form = String::from_utf8(body.to_vec()).unwrap();
    let mut seen = it.seen.lock().unwrap();
    let field = |name: &str| {
        form.split('&')
            .find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
            .unwrap()
    };
    assert_eq!(field("client_id"), "remit-test");
    let (token, hint) = (field("token"), field("token_type_hint"));
    seen.good.remove(&token);
    if seen.refresh == token {
        seen.refresh.clear();
    }
    seen.revoked.as_mut().unwrap().push(hint);
    StatusCode::OK
}

/// An ordinary API behind the same tokens.
async fn api(State(it): State<Locked>, headers: HeaderMap) -> Response {
    let presented = headers
        .get(header::AUTHORIZATION)
        .map_or("", |v| v.to_str().unwrap())
        .to_owned();
    let mut seen = it.seen.lock().unwrap();
    seen.presented.push(presented.clone());
    let token = presented.strip_prefix("Bearer ");
    if !token.is_some_and(|token| seen.good.contains(token)) {
        return (StatusCode::UNAUTHORIZED, Json(json!({"error": "invalid_token"}))).into_response();
    }
    seen.calls += 1;
    Json(json!({"echo": presented})).into_response()
}

async fn mcp(State(it): State<Locked>, headers: HeaderMap, Json(message): Json<Value>) -> Response {
    let presented = headers
        .get(header::AUTHORIZATION)
        .map_or("", |v| v.to_str().unwrap())
        .to_owned();
    let mut seen = it.seen.lock().unwrap();
    seen.presented.push(presented.clone());
    if !presented
        .strip_prefix("Bearer ")
        .is_some_and(|token| seen.good.contains(token))
    {
        return (
            StatusCode::UNAUTHORIZED,
            [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")],
        )
            .into_response();
    }
    let Some(id) = message.get("id").cloned() else {
        return StatusCode::ACCEPTED.into_response();
    };
    let schema = json!({"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]});
    let result = match message["method"].as_str() {
        Some("server/discover") => json!({
            "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}},
            "ttlMs": 0, "cacheScope": "private",
        }),
        Some("tools/list") => json!({
            "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
            "tools": [{"name": "read_file", "description": "Reads a file", "inputSchema": schema}],
        }),
        Some("tools/call") => {
            seen.calls += 1;
            // It says back what it was shown.
            json!({"resultType": "complete", "content": [{"type": "text", "text": format!("read with {presented}")}]})
        }
        _ => json!({"resultType": "complete"}),
    };
    Json(json!({"jsonrpc": "2.0", "id": id, "result": result})).into_response()
}
