//! What is said to the gateway for each message, and what of its answers the client hears.

use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use remit_core::json::{self, Bounds, Object, Value};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::mcp::client;
use crate::rpc::{self, INTERNAL, Id, RpcError};

use super::link::{Answer, Link};
use super::text;

const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// The conversation with the gateway.
pub(super) struct Talk {
    link: Link,
    output: mpsc::Sender<Vec<u8>>,
    legacy: Mutex<Option<Legacy>>,
}

/// The state of a legacy client.
#[derive(Clone)]
struct Legacy {
    /// Headers of every message.
    headers: HeaderMap,
    /// To begin again with, when the gateway has been restarted.
    opening: Bytes,
    listener: Option<AbortHandle>,
}

impl Talk {
    /// Nothing said yet.
    pub(super) fn new(link: Link, output: mpsc::Sender<Vec<u8>>) -> Self {
        Self {
            link,
            output,
            legacy: Mutex::default(),
        }
    }

    fn legacy(&self) -> Option<Legacy> {
        self.legacy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// True once the client has opened a legacy session.
    pub(super) fn is_legacy(&self) -> bool {
        self.legacy().is_some()
    }

    async fn say(&self, message: Vec<u8>) {
        // A closed output ends the whole wrapper.
        let _ = self.output.send(message).await;
    }

    async fn complain(&self, id: &Id, message: String) {
        self.say(rpc::error(Some(id), &RpcError::new(INTERNAL, message)))
            .await;
    }

    /// `initialize`: opens the session.
    pub(super) async fn initialize(&self, id: &Id, line: Bytes) {
        match self.open_session(line).await {
            Ok(message) => self.say(message).await,
            Err(message) => self.refused(id, message).await,
        }
    }

    /// Sends the opening message; gives the response, or the body of a refusal or a sentence.
    async fn open_session(&self, line: Bytes) -> Result<Vec<u8>, Vec<u8>> {
        let sent = self.link.send(Method::POST, HeaderMap::new(), line.clone()).await;
        let mut answer = sent.map_err(|error| error.to_string().into_bytes())?;
        let body = answer
            .next()
            .await
            .map_err(|error| error.to_string().into_bytes())?;
        let body = body.unwrap_or_default();
        if !answer.status.is_success() {
            return Err(body);
        }
        let result = json::parse(&body, &Bounds::RESPONSE).unwrap_or_default();
        let version = result.pointer("/result/protocolVersion").and_then(Value::as_str);
        if let Some(version) = version.and_then(|version| HeaderValue::from_str(version).ok()) {
            let mut headers = HeaderMap::new();
            headers.insert(VERSION, version);
            if let Some(session) = answer.headers.remove(&SESSION) {
                headers.insert(SESSION, session);
            }
            let opened = Legacy {
                headers,
                opening: line,
                listener: None,
            };
            let before = self
                .legacy
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(opened);
            if let Some(listener) = before.and_then(|before| before.listener) {
                listener.abort();
            }
        }
        Ok(body)
    }

    /// A request: all messages of its answer go to the client.
    pub(super) async fn request(self: &Arc<Self>, id: &Id, method: &str, params: &Object, line: Bytes) {
        let modern = modern_headers(method, params);
        let headers = match (&modern, self.legacy()) {
            (Some(headers), _) => headers.clone(),
            (None, Some(legacy)) => legacy.headers,
            (None, None) => HeaderMap::new(),
        };
        let mut sent = self.link.send(Method::POST, headers, line.clone()).await;
        let lost = matches!(&sent, Ok(answer) if answer.status == StatusCode::NOT_FOUND);
        if modern.is_none() && lost && self.reopen().await {
            let headers = self.legacy().map(|legacy| legacy.headers).unwrap_or_default();
            sent = self.link.send(Method::POST, headers, line).await;
        }
        match sent {
            Ok(answer) => self.relay(id, answer).await,
            Err(error) => self.complain(id, error.to_string()).await,
        }
    }

    /// The gateway does not know our session any more: a new one in its place, without the client noticing.
    async fn reopen(self: &Arc<Self>) -> bool {
        let Some(before) = self.legacy() else {
            return false;
        };
        if self.open_session(before.opening).await.is_err() {
            return false;
        }
        let initialized = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        self.tell(Bytes::from_static(initialized)).await;
        if before.listener.is_some() {
            self.listen();
        }
        true
    }

    async fn relay(&self, id: &Id, mut answer: Answer) {
        let mut answered = false;
        loop {
            match answer.next().await {
                Ok(Some(message)) if answer.status.is_success() => {
                    answered |= rpc::answers(&message, id);
                    self.say(message).await;
                }
                Ok(Some(refusal)) => {
                    self.refused(id, refusal).await;
                    answered = true;
                }
                // HTTP 202 to a request: it was cancelled.
                Ok(None) if answered || answer.status == StatusCode::ACCEPTED => return,
                Ok(None) => {
                    let text =
                        "the gateway ended the answer early: what became of this request is in its ledger";
                    return self.complain(id, text.to_owned()).await;
                }
                Err(error) => return self.complain(id, error.to_string()).await,
            }
        }
    }

    /// An answer that is not for this id alone (no token, wrong host, too many): its error under the request's id.
    async fn refused(&self, id: &Id, body: Vec<u8>) {
        let read = json::parse(&body, &Bounds::RESPONSE).unwrap_or_default();
        let Some(Value::Object(given)) = read.get("error") else {
            return self
                .complain(id, String::from_utf8_lossy(&body).into_owned())
                .await;
        };
        let code = given.get("code").and_then(Value::as_i64).unwrap_or(INTERNAL);
        let mut error = RpcError::new(code, text(given, "message").unwrap_or("refused"));
        error.data = given.get("data").cloned();
        self.say(rpc::error(Some(id), &error)).await;
    }

    /// A notification or a response: nothing comes back.
    pub(super) async fn tell(&self, line: Bytes) {
        let Some(legacy) = self.legacy() else { return };
        if let Err(error) = self.link.send(Method::POST, legacy.headers, line).await {
            tracing::debug!(%error, "a message did not reach the gateway");
        }
    }

    /// Opens the stream of notices of a legacy session.
    pub(super) fn listen(self: &Arc<Self>) {
        let mut legacy = self.legacy.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(legacy) = legacy.as_mut() else { return };
        let (talk, headers) = (Arc::clone(self), legacy.headers.clone());
        let listener = tokio::spawn(async move {
            let Ok(mut answer) = talk.link.send(Method::GET, headers, Bytes::new()).await else {
                return;
            };
            while answer.status.is_success()
                && let Ok(Some(message)) = answer.next().await
            {
                talk.say(message).await;
            }
        });
        if let Some(before) = legacy.listener.replace(listener.abort_handle()) {
            before.abort();
        }
    }

    /// Ends the session.
    pub(super) async fn end(&self) {
        let before = self.legacy.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(legacy) = before else { return };
        if let Some(listener) = legacy.listener {
            listener.abort();
        }
        // The gateway drops idle sessions by itself; this is a courtesy.
        let _ = self.link.send(Method::DELETE, legacy.headers, Bytes::new()).await;
    }
}

/// The headers a modern request needs over HTTP; `None` when it is not modern.
fn modern_headers(method: &str, params: &Object) -> Option<HeaderMap> {
    let meta = params.get("_meta").and_then(Value::as_object);
    let version = client::claimed_version(meta).ok()??;
    let mut headers = HeaderMap::new();
    headers.insert(VERSION, HeaderValue::from_str(version).ok()?);
    headers.insert("mcp-method", HeaderValue::from_str(method).ok()?);
    // Our client speaks stdio and need not know about mirrored parameters.
    headers.insert("remit-stdio", HeaderValue::from_static("1"));
    let name = match method {
        "tools/call" | "prompts/get" => text(params, "name"),
        "resources/read" => text(params, "uri"),
        _ => None,
    };
    if let Some(name) = name {
        headers.insert("mcp-name", encoded(name));
    }
    Some(headers)
}

/// `text` as a header value, marked and in Base64 where it cannot stand for itself.
fn encoded(text: &str) -> HeaderValue {
    let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.trim() == text
        && !(text.starts_with("=?base64?") && text.ends_with("?="));
    let value = if plain {
        HeaderValue::from_str(text).ok()
    } else {
        HeaderValue::from_str(&format!("=?base64?{}?=", STANDARD.encode(text))).ok()
    };
    value.unwrap_or_else(|| HeaderValue::from_static(""))
}
