//! `IssuerStub`: an OpenID provider as its verifiers see it, over HTTP: a discovery document and a key set, with a count of who
//! asked for what.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use remit_core::json::{Object, Value as Json};
use remit_core::object;
use remit_identity::{KeySet, SigningKey};
use serde_json::json;

pub fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32]).unwrap()
}

pub fn members(value: Json) -> Object {
    match value {
        Json::Object(members) => members,
        _ => Object::new(),
    }
}

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    Honest,
    /// Its document names another issuer.
    Impostor,
    /// Its document says that the keys are there.
    KeysAt(String),
    /// It redirects whoever wants the keys.
    Redirects(String),
}

pub struct Inner {
    pub manner: Mutex<Manner>,
    pub keys: Mutex<Vec<u8>>,
    pub asked: Mutex<Vec<String>>,
    address: SocketAddr,
}

#[derive(Clone)]
pub struct IssuerStub(pub Arc<Inner>);

impl IssuerStub {
    /// Signs with `key(byte)`.
    pub async fn start(byte: u8) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Arc::new(Inner {
            manner: Mutex::new(Manner::Honest),
            keys: Mutex::new(vec![byte]),
            asked: Mutex::default(),
            address: listener.local_addr().unwrap(),
        });
        let routes = Router::new().fallback(answer).with_state(Arc::clone(&inner));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self(inner)
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.0.address)
    }

    pub fn asked(&self) -> Vec<String> {
        self.0.asked.lock().unwrap().clone()
    }

    pub fn behave(&self, manner: Manner) {
        *self.0.manner.lock().unwrap() = manner;
    }

    /// A token of it: `more` replaces and adds claims; a null takes one away.
    pub fn token(&self, now_s: i64, subject: &str, audience: &str, more: Json) -> String {
        let byte = *self.0.keys.lock().unwrap().last().unwrap();
        key(byte)
            .sign(None, &self.claims(now_s, subject, audience, more))
            .unwrap()
    }

    pub fn claims(&self, now_s: i64, subject: &str, audience: &str, more: Json) -> Object {
        let mut claims = members(object! {
            "iss": self.url(), "sub": subject, "aud": audience, "iat": now_s, "exp": now_s + 60,
        });
        for (name, value) in members(more) {
            if value.is_null() {
                claims.remove(&name);
            } else {
                claims.insert(name, value);
            }
        }
        claims
    }
}

async fn answer(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    inner.asked.lock().unwrap().push(path.clone());
    let manner = inner.manner.lock().unwrap().clone();
    let ours = format!("http://{}", inner.address);
    match (path.as_str(), manner) {
        ("/.well-known/openid-configuration", manner) => {
            let issuer = match manner {
                Manner::Impostor => "https://somebody.example".to_owned(),
                _ => ours.clone(),
            };
            let keys = match manner {
                Manner::KeysAt(place) => place,
                _ => format!("{ours}/keys"),
            };
            json!({
                "issuer": issuer, "jwks_uri": keys, "authorization_endpoint": format!("{ours}/authorize"),
                "token_endpoint": format!("{ours}/token"),
            })
            .to_string()
            .into_response()
        }
        ("/keys", Manner::Redirects(place)) => {
            (StatusCode::FOUND, [(header::LOCATION, place)]).into_response()
        }
        ("/keys", _) => {
            let keys = inner.keys.lock().unwrap().clone();
            let set = KeySet::new(keys.into_iter().map(|byte| key(byte).public().clone()).collect());
            Json::Object(set.to_document()).to_string().into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
