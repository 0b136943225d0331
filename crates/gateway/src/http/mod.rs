//! The HTTP side: routes, the door, framing.

mod body;
mod conversation;
mod deliver;
mod era;
mod exchange;
mod guard;
mod legacy;
mod listen;
mod listener;
mod modern;
mod request;
mod respond;
mod serve;
mod tls;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{Method, Response, StatusCode};
use axum::routing::any;

use crate::config::GatewayConfig;
use crate::mcp::mirror;
use crate::ports::{Endpoint, Engine, Era};
use crate::revision::MODERN;
use crate::rpc::{self, Fault, Incoming, RpcError};

use body::Accept;
use request::{Arrived, Gateway};

pub use guard::AllowedHosts;
pub(crate) use listener::Stream;
pub use listener::{Identify, Listener};
pub use serve::serve;
pub use tls::Tls;

/// All routes of the gateway: `/mcp` and `/mcp/{server}`.
pub fn router<E: Engine>(engine: Arc<E>, config: GatewayConfig) -> Router {
    let gateway = Arc::new(Gateway {
        engine,
        sessions: legacy::Sessions::new(&config),
        flights: Arc::default(),
        config,
    });
    Router::new()
        .route("/mcp", any(aggregated::<E>))
        .route("/mcp/{server}", any(one_server::<E>))
        .with_state(gateway)
}

async fn aggregated<E: Engine>(State(gateway): State<Arc<Gateway<E>>>, request: Request) -> Response<Body> {
    answer(gateway, Ok(Endpoint::Aggregated), request).await
}

async fn one_server<E: Engine>(
    State(gateway): State<Arc<Gateway<E>>>,
    Path(server): Path<String>,
    request: Request,
) -> Response<Body> {
    let endpoint = server.parse().map(Endpoint::Server);
    let endpoint = endpoint.map_err(|bad: remit_core::name::BadName| {
        RpcError::invalid_request(format!("no such server: {bad}")).with_status(StatusCode::NOT_FOUND)
    });
    answer(gateway, endpoint, request).await
}

async fn answer<E: Engine>(
    gateway: Arc<Gateway<E>>,
    endpoint: Result<Endpoint, RpcError>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let headers = &parts.headers;
    if let Err(error) = gateway.config.hosts.check(&parts.uri, headers) {
        return respond::error(None, &error);
    }
    let arrived = match enter(gateway, endpoint, &parts).await {
        Ok(arrived) => arrived,
        Err(response) => return response,
    };
    let modern = matches!(mirror::single(headers, mirror::VERSION), Ok(Some(MODERN)));
    match parts.method {
        Method::POST => match read(headers, body).await {
            Ok((era, incoming)) => match era {
                Era::Modern => modern::post(arrived, headers, incoming).await,
                Era::Legacy => legacy::post(arrived, incoming).await,
            },
            Err(fault) => respond::fault(&fault),
        },
        Method::GET if !modern => legacy::listen(arrived, headers),
        Method::DELETE if !modern => legacy::end(&arrived),
        _ => respond::only_post(),
    }
}

/// The door: who asks, and whether it is their turn. Nothing of the body has been read.
async fn enter<E: Engine>(
    gateway: Arc<Gateway<E>>,
    endpoint: Result<Endpoint, RpcError>,
    parts: &axum::http::request::Parts,
) -> Result<Arrived<E>, Response<Body>> {
    let refused = |error: RpcError| respond::error(None, &error);
    let headers = &parts.headers;
    let presented = request::presented(parts).map_err(refused)?;
    let tls = presented.connection.tls;
    let session = gateway.engine.authenticate(presented).await;
    let session = session.map_err(|failure| {
        let config = &gateway.config;
        let over_tls = config.tls_url.as_ref().filter(|_| tls);
        let metadata = metadata_of(over_tls.unwrap_or(&config.public_url), endpoint.as_ref().ok());
        respond::pointing_to(respond::unauthenticated(&failure), &metadata)
    })?;
    let endpoint = endpoint.map_err(refused)?;
    let accept = Accept::read(headers).map_err(refused)?;
    let session_id = request::session_id(headers).map_err(refused)?;
    let Some(flight) = gateway.flights.board(session.run) else {
        let error = RpcError::new(
            429,
            "too many requests of this run are in flight: wait for some to end",
        );
        let mut response = respond::error(None, &error.with_status(StatusCode::TOO_MANY_REQUESTS));
        let wait = axum::http::HeaderValue::from_static("1");
        response
            .headers_mut()
            .insert(axum::http::header::RETRY_AFTER, wait);
        return Err(response);
    };
    Ok(Arrived {
        gateway,
        session,
        endpoint,
        accept,
        flight,
        session_id,
    })
}

/// Where the metadata of an endpoint lies (RFC 9728, 3.1).
fn metadata_of(public_url: &str, endpoint: Option<&Endpoint>) -> String {
    let path = match endpoint {
        Some(Endpoint::Server(server)) => format!("/mcp/{server}"),
        Some(Endpoint::Aggregated) | None => "/mcp".to_owned(),
    };
    format!("{public_url}/.well-known/oauth-protected-resource{path}")
}

async fn read(headers: &axum::http::HeaderMap, body: Body) -> Result<(Era, Incoming), Fault> {
    body::check_type(headers)?;
    let bytes = body::read(body).await?;
    let incoming = rpc::read(&bytes)?;
    match era::of(headers, &incoming) {
        Ok(era) => Ok((era, incoming)),
        Err(error) => Err(Fault {
            id: match incoming {
                Incoming::Request { id, .. } | Incoming::Response { id, .. } => Some(id),
                Incoming::Notification { .. } => None,
            },
            error,
        }),
    }
}
