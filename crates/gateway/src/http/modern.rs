//! The modern leg (2026-07-28): every request stands alone.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Response, StatusCode};
use remit_core::json::{Object, Value};

use crate::mcp::answer::Final;
use crate::mcp::ask;
use crate::mcp::client::{self, Client};
use crate::mcp::names::{self, Kind};
use crate::mcp::{capabilities, lists, mirror};
use crate::ports::{Catalog, Engine, Era};
use crate::revision::META_CAPABILITIES;
use crate::rpc::{Id, Incoming, RpcError};

use super::conversation::Conversation;
use super::exchange::Exchange;
use super::request::Arrived;
use super::{deliver, listen, respond};

/// Our own stdio wrapper sends this: its client speaks stdio, where `x-mcp-header` may be ignored, so parameters are
/// not mirrored. Nothing is ever decided on a mirrored header.
const STDIO: &str = "remit-stdio";

/// Serves one message.
pub(crate) async fn post<E: Engine>(
    arrived: Arrived<E>,
    headers: &HeaderMap,
    incoming: Incoming,
) -> Response<Body> {
    match incoming {
        Incoming::Request { id, method, params } => {
            match request(arrived, headers, &id, &method, params).await {
                Ok(response) => response,
                Err(error) => respond::error(Some(&id), &error),
            }
        }
        Incoming::Notification { method, .. } if method.starts_with("notifications/") => {
            respond::empty(StatusCode::ACCEPTED)
        }
        Incoming::Notification { method, .. } => respond::error(None, &RpcError::lacks_id(&method)),
        Incoming::Response { id, .. } => {
            let text = "responses are not accepted in this revision: answers go into `inputResponses`";
            respond::error(Some(&id), &RpcError::invalid_request(text))
        }
    }
}

async fn request<E: Engine>(
    arrived: Arrived<E>,
    headers: &HeaderMap,
    id: &Id,
    method: &str,
    mut params: Object,
) -> Result<Response<Body>, RpcError> {
    let Some(Value::Object(mut meta)) = params.remove("_meta") else {
        return Err(client::missing(META_CAPABILITIES));
    };
    let client = Client::modern(&mut meta)?;
    mirror::check_standard(headers, method, &params)?;
    let version = arrived.gateway.config.version;
    if let Some(list) = lists::List::of(method) {
        lists::check_cursor(&params)?;
        let catalog = arrived.catalog(Era::Modern).await?;
        let bytes = lists::response(id, list, &catalog, Era::Modern, version);
        return Ok(respond::json(StatusCode::OK, bytes));
    }
    match method {
        "server/discover" => {
            let catalog = arrived.known(Era::Modern).await?;
            let result = capabilities::discover(&catalog, version);
            return Ok(respond::last(Final::result(id, &result)));
        }
        "subscriptions/listen" => return listen::listen(arrived, id.clone(), params).await,
        _ if ask::is_ask(method) => {}
        _ => return Err(RpcError::method_not_found(method)),
    }
    let catalog = arrived.catalog_for(method, Era::Modern).await;
    if method == "tools/call" && !headers.contains_key(STDIO) {
        check_mirrored(headers, catalog.as_deref(), &params)?;
    }
    let (work, subject) = ask::ask(&arrived.endpoint, catalog.as_ref(), &client, method, params)?;
    let Arrived {
        gateway,
        session,
        accept,
        flight,
        ..
    } = arrived;
    let exchange = Exchange::start(Arc::clone(&gateway.engine), session.clone(), work);
    let conversation = Conversation::new(id.clone(), client, subject, exchange, version, flight);
    Ok(deliver::respond(conversation, &gateway.engine, &session, accept).await)
}

fn check_mirrored(headers: &HeaderMap, catalog: Option<&Catalog>, params: &Object) -> Result<(), RpcError> {
    let schema = params
        .get("name")
        .and_then(Value::as_str)
        .and_then(|name| names::listed(catalog?, Kind::Tool, name))
        .and_then(|tool| tool.definition.get("inputSchema"))
        .and_then(Value::as_object);
    let none = Object::new();
    let arguments = params
        .get("arguments")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    match schema {
        Some(schema) => mirror::check_params(headers, schema, arguments),
        None => Ok(()),
    }
}
