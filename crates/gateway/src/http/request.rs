//! A request that has passed the door: its host, its token and its turn are good.

use std::sync::Arc;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use remit_core::name::Name;

use crate::config::GatewayConfig;
use crate::flights::{Flight, Flights};
use crate::mcp::ask::{self, Need};
use crate::mcp::{mirror, refusal};
use crate::ports::{Catalog, Connection, Endpoint, Engine, Era, Presented, Scheme, Session};
use crate::rpc::RpcError;

use super::body::Accept;
use super::legacy::{self, Sessions};

/// Carries a proof of possession (RFC 9449, 4.1).
const DPOP: HeaderName = HeaderName::from_static("dpop");

/// What all requests share.
pub(crate) struct Gateway<E> {
    /// The engine.
    pub engine: Arc<E>,
    /// What we were told at start.
    pub config: GatewayConfig,
    /// Sessions of legacy clients.
    pub sessions: Sessions,
    /// Requests in flight.
    pub flights: Arc<Flights>,
}

/// One request behind the door.
pub(crate) struct Arrived<E> {
    /// What all share.
    pub gateway: Arc<Gateway<E>>,
    /// Who asks.
    pub session: Session,
    /// Where.
    pub endpoint: Endpoint,
    /// What it can read.
    pub accept: Accept,
    /// Its place among the run's requests.
    pub flight: Flight,
    /// The legacy session it names.
    pub session_id: Option<String>,
}

impl<E: Engine> Arrived<E> {
    /// The catalog here.
    ///
    /// # Errors
    /// The denial as an error.
    pub(crate) async fn catalog(&self, era: Era) -> Result<Arc<Catalog>, RpcError> {
        let found = self
            .gateway
            .engine
            .catalog(&self.session, &self.endpoint, era)
            .await;
        found.map_err(|denied| refusal::error(&denied, None, era))
    }

    /// The catalog as far as it is known without asking servers.
    ///
    /// # Errors
    /// The denial as an error.
    pub(crate) async fn known(&self, era: Era) -> Result<Arc<Catalog>, RpcError> {
        let found = self
            .gateway
            .engine
            .known(&self.session, &self.endpoint, era)
            .await;
        found.map_err(|denied| refusal::error(&denied, None, era))
    }

    /// What `method` needs of the catalog; a denial is left to the call itself.
    pub(crate) async fn catalog_for(&self, method: &str, era: Era) -> Option<Arc<Catalog>> {
        match ask::need(method, &self.endpoint, era) {
            Need::Nothing => None,
            Need::Known => self.known(era).await.ok(),
            Need::Whole => self.catalog(era).await.ok(),
        }
    }

    /// The legacy session that the request names, if it names one.
    ///
    /// # Errors
    /// HTTP 404 when there is no such session of this run here.
    pub(crate) fn legacy_session(&self) -> Result<Option<Arc<legacy::LegacySession>>, RpcError> {
        let Some(id) = &self.session_id else {
            return Ok(None);
        };
        let found = self.gateway.sessions.find(id, &self.session, &self.endpoint);
        found.map(Some).ok_or_else(unknown_session)
    }

    /// Ends subscriptions behind the client's back.
    pub(crate) fn end_subscriptions(&self, owner: Session, subscriptions: Vec<(Name, String)>, era: Era) {
        unsubscribe(Arc::clone(&self.gateway.engine), owner, subscriptions, era);
    }
}

/// Ends subscriptions in a task of its own.
pub(crate) fn unsubscribe<E: Engine>(
    engine: Arc<E>,
    owner: Session,
    subscriptions: Vec<(Name, String)>,
    era: Era,
) {
    if subscriptions.is_empty() {
        return;
    }
    tokio::spawn(async move {
        for (server, uri) in subscriptions {
            engine.subscribe(&owner, server, uri, false, era).await;
        }
    });
}

/// HTTP 404 for a session that is not there, or not the caller's.
pub(crate) fn unknown_session() -> RpcError {
    RpcError::invalid_request("no such session: begin again with `initialize`")
        .with_status(StatusCode::NOT_FOUND)
}

/// What came to say who asks.
///
/// # Errors
/// HTTP 400 when it came twice.
pub(crate) fn presented(parts: &Parts) -> Result<Presented, RpcError> {
    let authorization = once(&parts.headers, &header::AUTHORIZATION)?;
    let (scheme, token) = match authorization.and_then(|text| text.split_once(' ')) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => (Scheme::Bearer, Some(token)),
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("dpop") => (Scheme::Dpop, Some(token)),
        _ => (Scheme::Bearer, None),
    };
    let connection = parts
        .extensions
        .get::<Arc<Connection>>()
        .cloned()
        .unwrap_or_default();
    let host = once(&parts.headers, &header::HOST)?.unwrap_or_default();
    let kind = if connection.tls { "https" } else { "http" };
    Ok(Presented {
        token: token.map(|token| token.trim().to_owned()),
        scheme,
        dpop: once(&parts.headers, &DPOP)?.map(str::to_owned),
        method: parts.method.to_string(),
        url: format!("{kind}://{host}{}", parts.uri.path()),
        connection,
    })
}

/// The value of a header that may stand once.
fn once<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        return Err(RpcError::invalid_request(format!(
            "`{name}` stands more than once"
        )));
    }
    Ok(value.and_then(|value| value.to_str().ok()))
}

/// The id of the legacy session in the headers.
///
/// # Errors
/// HTTP 400 when it stands twice or is not visible ASCII.
pub(crate) fn session_id(headers: &HeaderMap) -> Result<Option<String>, RpcError> {
    let id =
        mirror::single(headers, legacy::SESSION).map_err(|error| RpcError::invalid_request(error.message))?;
    Ok(id.map(str::to_owned))
}
