//! POST of a legacy client.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Response, StatusCode};
use remit_core::json::{Object, Value};

use crate::http::body::Accept;
use crate::http::conversation::{Conversation, Frame};
use crate::http::exchange::Exchange;
use crate::http::request::{Arrived, unknown_session};
use crate::http::{deliver, respond};
use crate::mcp::answer::Final;
use crate::mcp::ask::{self, Subject};
use crate::mcp::client::{self, Client};
use crate::mcp::names::Kind;
use crate::mcp::{capabilities, level, lists, names, refusal};
use crate::ports::{Answer, Engine, Era};
use crate::revision::{LEGACY_LATEST, legacy};
use crate::rpc::{INTERNAL, Id, Incoming, RpcError};

use super::SESSION;
use super::session::LegacySession;

/// Serves one message.
pub(crate) async fn post<E: Engine>(arrived: Arrived<E>, incoming: Incoming) -> Response<Body> {
    let session = match arrived.legacy_session() {
        Ok(session) => session,
        Err(error) => return respond::error(None, &error),
    };
    match incoming {
        Incoming::Request { id, method, params } => {
            let answered = if method == "initialize" {
                initialize(&arrived, &id, &params).await
            } else {
                request(arrived, session, &id, &method, params).await
            };
            answered.unwrap_or_else(|error| {
                // The protocol of this era says everything in the body.
                respond::last(Final::error(Some(&id), &error, Era::Legacy))
            })
        }
        Incoming::Notification { method, params } => notification(session.as_deref(), &method, params),
        Incoming::Response { id, outcome } => match session {
            Some(session) => {
                session.settle(&id, outcome);
                respond::empty(StatusCode::ACCEPTED)
            }
            None => respond::error(None, &unknown_session()),
        },
    }
}

fn notification(session: Option<&LegacySession>, method: &str, mut params: Object) -> Response<Body> {
    if !method.starts_with("notifications/") {
        return respond::error(None, &RpcError::lacks_id(method));
    }
    if method == "notifications/cancelled"
        && let Some(session) = session
        && let Some(id) = params.remove("requestId").and_then(Id::from_value)
    {
        session.cancel(&id);
    }
    // `roots/list_changed` and the rest tell us nothing we would act on.
    respond::empty(StatusCode::ACCEPTED)
}

async fn initialize<E: Engine>(
    arrived: &Arrived<E>,
    id: &Id,
    params: &Object,
) -> Result<Response<Body>, RpcError> {
    let wanted = params.get("protocolVersion").and_then(Value::as_str);
    let Some(wanted) = wanted else {
        return Err(RpcError::invalid_params(
            "`params.protocolVersion` has to be a string",
        ));
    };
    let negotiated = legacy(wanted).unwrap_or(LEGACY_LATEST);
    let mut declared = Client::bare(Era::Legacy);
    if let Some(Value::Object(capabilities)) = params.get("capabilities") {
        declared.declare(capabilities);
    }
    let catalog = arrived.known(Era::Legacy).await?;
    let gateway = &arrived.gateway;
    let opened = gateway.sessions.open(
        arrived.session.clone(),
        arrived.endpoint.clone(),
        negotiated,
        declared,
    );
    let (session, closed) = opened.map_err(|error| RpcError::new(INTERNAL, error.to_string()))?;
    for closed in closed {
        arrived.end_subscriptions(closed.owner, closed.subscriptions, Era::Legacy);
    }
    let result = capabilities::initialize(&catalog, negotiated, gateway.config.version);
    let mut response = respond::last(Final::result(id, &result));
    if let Ok(value) = HeaderValue::from_str(&session.id) {
        response.headers_mut().insert(SESSION, value);
    }
    Ok(response)
}

async fn request<E: Engine>(
    arrived: Arrived<E>,
    session: Option<Arc<LegacySession>>,
    id: &Id,
    method: &str,
    mut params: Object,
) -> Result<Response<Body>, RpcError> {
    let version = arrived.gateway.config.version;
    if let Some(list) = lists::List::of(method) {
        lists::check_cursor(&params)?;
        let catalog = arrived.catalog(Era::Legacy).await?;
        let bytes = lists::response(id, list, &catalog, Era::Legacy, version);
        return Ok(respond::json(StatusCode::OK, bytes));
    }
    match method {
        "ping" => return Ok(respond::last(Final::result(id, &Object::new()))),
        "logging/setLevel" => {
            let wanted = ask::text(&mut params, "level")?;
            if level::severity(&wanted).is_none() {
                return Err(RpcError::invalid_params(
                    "`params.level` has to be one of debug, info, notice, warning, error, critical, alert, emergency",
                ));
            }
            if let Some(session) = session {
                session.set_log_level(wanted);
            }
            return Ok(respond::last(Final::result(id, &Object::new())));
        }
        "resources/subscribe" | "resources/unsubscribe" => {
            let on = method == "resources/subscribe";
            return subscribe(&arrived, session, id, params, on).await;
        }
        _ if ask::is_ask(method) => {}
        _ => return Err(RpcError::method_not_found(method)),
    }
    let mut client = session
        .as_ref()
        .map_or_else(|| Client::bare(Era::Legacy), |session| session.client());
    if let Some(Value::Object(mut meta)) = params.remove("_meta") {
        client.progress_token = client::progress_token(&mut meta)?;
    }
    if !arrived.accept.events {
        // Without a stream on this request there is no way to ask the client anything.
        client.features.clear();
    }
    let catalog = arrived.catalog_for(method, Era::Legacy).await;
    let (work, subject) = ask::ask(&arrived.endpoint, catalog.as_ref(), &client, method, params)?;
    let Arrived {
        gateway,
        session: owner,
        accept,
        flight,
        ..
    } = arrived;
    let exchange = Exchange::start(Arc::clone(&gateway.engine), owner.clone(), work);
    let mut conversation = Conversation::new(id.clone(), client, subject, exchange, version, flight);
    if let Some(session) = &session {
        let Some((registered, cancelled)) = session.register(id) else {
            return Err(RpcError::invalid_request(
                "a request with this `id` is still running",
            ));
        };
        conversation = conversation.within(registered, cancelled);
    }
    let session = session.filter(|_| accept.events);
    match session {
        Some(session) => Ok(in_session(conversation, &gateway.engine, &owner, &session, accept).await),
        None => Ok(deliver::respond(conversation, &gateway.engine, &owner, accept).await),
    }
}

/// As [`deliver::respond`], but once it is a stream it outlives the connection: in this era a lost connection is no
/// cancellation, and the client may come back for the rest.
async fn in_session<E: Engine>(
    mut conversation: Conversation,
    engine: &Arc<E>,
    owner: &crate::ports::Session,
    session: &Arc<LegacySession>,
    accept: Accept,
) -> Response<Body> {
    let first = match deliver::at_once(&mut conversation, accept).await {
        Ok(response) => return response,
        Err(first) => first,
    };
    conversation.watch(engine, owner);
    let replay = session.stream();
    let producer = Arc::clone(&replay);
    tokio::spawn(async move {
        if let Some(first) = first {
            producer.push(&first);
        }
        loop {
            match conversation.next().await {
                Frame::Message(message) => producer.push(&message),
                Frame::Last(message) => {
                    producer.push(&message.bytes);
                    break;
                }
                Frame::Cancelled => break,
            }
        }
        producer.close();
    });
    super::listen::play(Arc::clone(session), replay, 0, None)
}

async fn subscribe<E: Engine>(
    arrived: &Arrived<E>,
    session: Option<Arc<LegacySession>>,
    id: &Id,
    mut params: Object,
    on: bool,
) -> Result<Response<Body>, RpcError> {
    let uri = ask::text(&mut params, "uri")?;
    let Some(session) = session else {
        return Err(RpcError::invalid_request(
            "subscriptions need a session: begin with `initialize`",
        ));
    };
    let catalog = arrived.catalog_for("resources/read", Era::Legacy).await;
    let target = names::resolve(&arrived.endpoint, catalog.as_deref(), Kind::Resource, &uri)?;
    if on && !session.subscribe(uri.clone(), target.clone()) {
        return Err(RpcError::invalid_request(
            "too many subscriptions: end some first",
        ));
    }
    let (server, own) = target;
    let engine = &arrived.gateway.engine;
    let reply = engine
        .subscribe(&arrived.session, server, own, on, Era::Legacy)
        .await;
    if !on || !matches!(reply.answer, Answer::Result(_)) {
        session.unsubscribe(&uri);
    }
    match reply.answer {
        Answer::Result(_) => Ok(respond::last(Final::result(id, &Object::new()))),
        Answer::UpstreamError { code, message, data } => {
            let mut error = RpcError::new(code, message);
            error.data = data;
            Err(error)
        }
        Answer::Refused(refused) => {
            let listed = catalog.is_some_and(|c| names::listed(&c, Kind::Resource, &uri).is_some());
            let subject = Subject::Resource { uri, listed };
            Err(refusal::error(&refused.decision, Some(&subject), Era::Legacy))
        }
    }
}
