//! `FakeGithub`: stands for the GitHub API, which cannot run here. It checks the app's signature, makes installation tokens
//! for the repositories and permissions that were asked for, and takes back the token that asks for it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

#[derive(Default)]
pub struct Seen {
    /// Bodies of what was asked for.
    pub asked: Vec<Value>,
    /// Tokens that are let in, with their repositories.
    pub tokens: BTreeMap<String, Vec<String>>,
    /// Tokens taken back.
    pub revoked: usize,
    /// It answers nothing but 503.
    pub down: bool,
    /// It makes no token before this is rung.
    pub held: Option<Arc<tokio::sync::Notify>>,
    /// Tokens it was asked for, made or not.
    pub asked_for: usize,
    given: usize,
}

#[derive(Clone)]
pub struct FakeGithub {
    pub seen: Arc<Mutex<Seen>>,
    pub address: SocketAddr,
    public: Arc<Vec<u8>>,
    /// The app's private key, PKCS #1 in PEM, as GitHub hands it out.
    pub pem: String,
}

impl FakeGithub {
    pub async fn start() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pkcs8 = pair.as_der().unwrap();
        // PKCS #8 holds PKCS #1 behind a header of 26 bytes, for a key of this size.
        let pkcs1 = STANDARD.encode(&pkcs8.as_ref()[26..]);
        let lines: Vec<&str> = pkcs1
            .as_bytes()
            .chunks(64)
            .map(|line| std::str::from_utf8(line).unwrap())
            .collect();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let it = Self {
            seen: Arc::default(),
            address: listener.local_addr().unwrap(),
            public: Arc::new(pair.public_key().as_ref().to_vec()),
            pem: format!(
                "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n",
                lines.join("\n")
            ),
        };
        let routes = Router::new()
            .route("/app/installations/{id}/access_tokens", post(make))
            .route("/installation/token", delete(revoke))
            .route("/installation/repositories", get(repositories))
            .route("/repos/{owner}/{repo}", get(repository))
            .with_state(it.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        it
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The app's token is signed by its key, for this app, and lives at most ten minutes.
    fn is_app(&self, token: &str) -> bool {
        let Some((signed, signature)) = token.rsplit_once('.') else {
            return false;
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap_or_default();
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &**self.public);
        let claims = signed
            .split('.')
            .nth(1)
            .and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Value = serde_json::from_slice(&claims.unwrap_or_default()).unwrap_or_default();
        let (from, until) = (
            claims["iat"].as_i64().unwrap_or(0),
            claims["exp"].as_i64().unwrap_or(i64::MAX),
        );
        key.verify(signed.as_bytes(), &signature).is_ok()
            && claims["iss"] == "Iv1.test"
            && until - from <= 600
    }
}

fn bearer(headers: &HeaderMap) -> String {
    let value = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = value
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| ["Bearer", "token"].contains(scheme));
    token.map(|(_, token)| token.to_owned()).unwrap_or_default()
}

async fn make(
    State(it): State<FakeGithub>,
    Path(id): Path<u64>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> (StatusCode, Json<Value>) {
    let held = {
        let mut seen = it.seen.lock().unwrap();
        seen.asked_for += 1;
        seen.held.clone()
    };
    if let Some(held) = held {
        held.notified().await;
    }
    let mut seen = it.seen.lock().unwrap();
    if seen.down {
        return (StatusCode::SERVICE_UNAVAILABLE, Json(json!({})));
    }
    if !it.is_app(&bearer(&headers)) || id != 7 {
        return (
            StatusCode::UNAUTHORIZED,
            Json(json!({"message": "A JSON web token could not be decoded"})),
        );
    }
    seen.given += 1;
    // Not in the form of a real one: nothing may rely on it.
    let token = format!("fake-github-installation-token-{}", seen.given);
    let named: Vec<String> = body["repositories"]
        .as_array()
        .map(|list| {
            list.iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect()
        })
        .unwrap_or_default();
    let selection = if body["repositories"].is_array() {
        "selected"
    } else {
        "all"
    };
    seen.tokens.insert(token.clone(), named);
    seen.asked.push(body.clone());
    let answer = json!({
        "token": token, "expires_at": "2099-01-01T00:00:00Z", "permissions": body["permissions"],
        "repository_selection": selection,
    });
    (StatusCode::CREATED, Json(answer))
}

async fn revoke(State(it): State<FakeGithub>, headers: HeaderMap) -> StatusCode {
    let mut seen = it.seen.lock().unwrap();
    if seen.down {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    match seen.tokens.remove(&bearer(&headers)) {
        Some(_) => {
            seen.revoked += 1;
            StatusCode::NO_CONTENT
        }
        None => StatusCode::UNAUTHORIZED,
    }
}

async fn repositories(State(it): State<FakeGithub>, headers: HeaderMap) -> StatusCode {
    let seen = it.seen.lock().unwrap();
    if seen.down {
        StatusCode::SERVICE_UNAVAILABLE
    } else if seen.tokens.contains_key(&bearer(&headers)) {
        StatusCode::OK
    } else {
        StatusCode::UNAUTHORIZED
    }
}

async fn repository(
    State(it): State<FakeGithub>,
    Path((owner, repo)): Path<(String, String)>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    let token = bearer(&headers);
    let seen = it.seen.lock().unwrap();
    match seen.tokens.get(&token) {
        None => (
            StatusCode::UNAUTHORIZED,
            Json(json!({"message": "Bad credentials"})),
        ),
        Some(named) if named.is_empty() || named.contains(&repo) => (
            StatusCode::OK,
            Json(json!({"full_name": format!("{owner}/{repo}"), "echo": token})),
        ),
        Some(_) => (StatusCode::NOT_FOUND, Json(json!({"message": "Not Found"}))),
    }
}
