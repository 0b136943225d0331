//! `subscriptions/listen` (modern leg): a long stream of notices the client opted in to.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures_util::stream;
use remit_core::json::{Object, Value};
use remit_core::limits::SUBSCRIPTIONS_MAX;
use remit_core::name::Name;
use tokio::sync::mpsc;

use crate::flights::Flight;
use crate::mcp::ask::{self, Need};
use crate::mcp::names::{self, Kind};
use crate::mcp::{capabilities, notify};
use crate::ports::{Answer, Engine, Era, Notice, Session};
use crate::revision::{META_SERVER_INFO, META_SUBSCRIPTION};
use crate::rpc::{self, Id, RpcError};

use super::request::{Arrived, unsubscribe};
use super::respond::{self, PING, SILENCE};

const FLAGS: [&str; 3] = ["toolsListChanged", "promptsListChanged", "resourcesListChanged"];

/// Opens the stream.
///
/// # Errors
/// `-32602` for a filter of the wrong shape; HTTP 406 for a client that cannot read streams.
pub(crate) async fn listen<E: Engine>(
    arrived: Arrived<E>,
    id: Id,
    mut params: Object,
) -> Result<Response<Body>, RpcError> {
    if !arrived.accept.events {
        let text = "`Accept` has to name `text/event-stream`: this answer is a stream";
        return Err(RpcError::invalid_request(text).with_status(StatusCode::NOT_ACCEPTABLE));
    }
    let Some(Value::Object(filter)) = params.remove("notifications") else {
        return Err(RpcError::invalid_params(
            "`params.notifications` has to be an object",
        ));
    };
    let mut honoured = Object::new();
    for flag in FLAGS {
        match filter.get(flag) {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => {
                honoured.insert(flag, true);
            }
            Some(_) => {
                return Err(RpcError::invalid_params(format!(
                    "`{flag}` has to be true or false"
                )));
            }
        }
    }
    let uris = subscriptions(&filter)?;
    // Before the first decision, so that nothing that happens meanwhile is missed.
    let notices = arrived
        .gateway
        .engine
        .notices(&arrived.session, &arrived.endpoint);
    let mut stream = Listening {
        engine: Arc::clone(&arrived.gateway.engine),
        owner: arrived.session.clone(),
        version: arrived.gateway.config.version,
        id,
        honoured,
        subscribed: BTreeMap::new(),
        notices,
        gone: {
            let (engine, owner) = (Arc::clone(&arrived.gateway.engine), arrived.session.clone());
            Box::pin(async move { engine.gone(&owner).await })
        },
        stage: Stage::Opening,
        _flight: arrived.flight,
    };
    if !uris.is_empty() {
        let need = ask::need("resources/read", &arrived.endpoint, Era::Modern);
        let (engine, endpoint) = (&arrived.gateway.engine, &arrived.endpoint);
        let catalog = match need {
            Need::Whole => engine.catalog(&stream.owner, endpoint, Era::Modern).await.ok(),
            _ => None,
        };
        for uri in uris {
            if let Ok(target) = names::resolve(&arrived.endpoint, catalog.as_deref(), Kind::Resource, &uri) {
                stream.subscribe(uri, target).await;
            }
        }
        if !stream.subscribed.is_empty() {
            let uris: Value = stream.subscribed.keys().collect();
            stream.honoured.insert("resourceSubscriptions", uris);
        }
    }
    Ok(respond::events(stream::unfold(stream, |mut stream| async move {
        stream.next().await.map(|event| (event, stream))
    })))
}

fn subscriptions(filter: &Object) -> Result<Vec<String>, RpcError> {
    let wrong = || RpcError::invalid_params("`resourceSubscriptions` has to be a list of URIs");
    let items = match filter.get("resourceSubscriptions") {
        None => return Ok(Vec::new()),
        Some(items) => items.as_array().ok_or_else(wrong)?,
    };
    if items.len() > SUBSCRIPTIONS_MAX {
        let text = format!("`resourceSubscriptions` may name {SUBSCRIPTIONS_MAX} URIs at most");
        return Err(RpcError::invalid_params(text));
    }
    let uris = items.iter().map(|item| item.as_str().map(str::to_owned));
    uris.collect::<Option<Vec<_>>>().ok_or_else(wrong)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Opening,
    Open,
    Over,
}

struct Listening<E: Engine> {
    engine: Arc<E>,
    owner: Session,
    version: &'static str,
    id: Id,
    honoured: Object,
    /// Exposed URI → what it stands for.
    subscribed: BTreeMap<String, (Name, String)>,
    notices: mpsc::Receiver<Notice>,
    gone: Pin<Box<dyn Future<Output = ()> + Send>>,
    stage: Stage,
    _flight: Flight,
}

impl<E: Engine> Listening<E> {
    /// A subscription that is denied is left out of what is acknowledged.
    async fn subscribe(&mut self, uri: String, target: (Name, String)) {
        let (server, own) = target.clone();
        let reply = self
            .engine
            .subscribe(&self.owner, server, own, true, Era::Modern)
            .await;
        if matches!(reply.answer, Answer::Result(_)) {
            self.subscribed.insert(uri, target);
        }
    }

    async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::Opening => {
                self.stage = Stage::Open;
                let mut params = Object::new();
                params.insert("notifications", self.honoured.clone());
                return Some(self.event("notifications/subscriptions/acknowledged", params));
            }
            Stage::Over => return None,
            Stage::Open if self.honoured.is_empty() => return Some(self.end()),
            Stage::Open => {}
        }
        loop {
            let notice = tokio::select! {
                biased;
                () = &mut self.gone => return Some(self.end()),
                notice = tokio::time::timeout(SILENCE, self.notices.recv()) => notice,
            };
            match notice {
                Err(_) => return Some(Bytes::from_static(PING)),
                Ok(None) => return Some(self.end()),
                Ok(Some(notice)) if self.wants(&notice) => {
                    if let Some((method, params)) = notify::change(&notice) {
                        return Some(self.event(method, params));
                    }
                }
                Ok(Some(_)) => {}
            }
        }
    }

    fn wants(&self, notice: &Notice) -> bool {
        match notice {
            Notice::ToolsChanged => self.honoured.contains_key("toolsListChanged"),
            Notice::PromptsChanged => self.honoured.contains_key("promptsListChanged"),
            Notice::ResourcesChanged => self.honoured.contains_key("resourcesListChanged"),
            Notice::ResourceUpdated(uri) => self.subscribed.contains_key(uri),
            Notice::Log(_) => false,
        }
    }

    fn event(&self, method: &str, mut params: Object) -> Bytes {
        let mut meta = Object::new();
        meta.insert(META_SUBSCRIPTION, self.id.value().clone());
        params.insert("_meta", meta);
        respond::event(&rpc::notification(method, &params))
    }

    /// The response that ends the stream.
    fn end(&mut self) -> Bytes {
        self.stage = Stage::Over;
        let mut meta = Object::new();
        meta.insert(META_SUBSCRIPTION, self.id.value().clone());
        meta.insert(META_SERVER_INFO, capabilities::server_info(self.version));
        let mut result = Object::new();
        result.insert("resultType", "complete");
        result.insert("_meta", meta);
        respond::event(&rpc::response(&self.id, &result))
    }
}

impl<E: Engine> Drop for Listening<E> {
    fn drop(&mut self) {
        let ended = std::mem::take(&mut self.subscribed).into_values().collect();
        unsubscribe(Arc::clone(&self.engine), self.owner.clone(), ended, Era::Modern);
    }
}
