//! HTTP requests, built from nothing but what we know: no header of anybody else's is passed on.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request};
use http_body_util::Full;

use super::session::Session;
use super::url::Endpoint;
use crate::error::{ErrorKind, Sent};
use crate::options::Era;
use crate::wire::request::Outgoing;
use crate::wire::{Failure, header};

const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const AGENT: HeaderValue = HeaderValue::from_static(concat!("remit/", env!("CARGO_PKG_VERSION")));

/// The POST that carries a request.
pub(crate) fn call(
    endpoint: &Endpoint,
    session: &Session,
    era: Era,
    outgoing: &Outgoing,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = message(endpoint, session, body)?;
    if era == Era::Modern {
        let headers = request.headers_mut();
        headers.insert("mcp-method", HeaderValue::from_static(outgoing.method));
        headers.insert(
            "mcp-protocol-version",
            HeaderValue::from_static(crate::wire::MODERN),
        );
        if let Some(name) = &outgoing.name {
            let name = header::encode(name).ok_or_else(|| bad("its name does not fit into a header"))?;
            headers.insert("mcp-name", name);
        }
        for (name, value) in &outgoing.mirrored {
            headers.insert(name.clone(), value.clone());
        }
    }
    Ok(request)
}

/// The POST that carries a message without an answer of its own.
pub(crate) fn message(
    endpoint: &Endpoint,
    session: &Session,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = bare(Method::POST, endpoint, session, body)?;
    request.headers_mut().insert(ACCEPT, BOTH);
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    Ok(request)
}

/// The GET that opens a legacy event stream, or takes one up again after `last`.
pub(crate) fn events(
    endpoint: &Endpoint,
    session: &Session,
    last: Option<&[u8]>,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = bare(Method::GET, endpoint, session, Bytes::new())?;
    request.headers_mut().insert(ACCEPT, EVENTS);
    if let Some(last) = last {
        let last =
            HeaderValue::from_bytes(last).map_err(|_| bad("its event id does not fit into a header"))?;
        request.headers_mut().insert("last-event-id", last);
    }
    Ok(request)
}

/// The DELETE that ends a legacy session.
pub(crate) fn end(endpoint: &Endpoint, session: &Session) -> Result<Request<Full<Bytes>>, Failure> {
    bare(Method::DELETE, endpoint, session, Bytes::new())
}

fn bare(
    method: Method,
    endpoint: &Endpoint,
    session: &Session,
    body: Bytes,
) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::builder()
        .method(method)
        .uri(endpoint.path.as_str())
        .header(HOST, endpoint.authority.as_str())
        .header(USER_AGENT, AGENT)
        .body(Full::new(body))
        .map_err(bad)?;
    if let Some(id) = &session.id {
        request.headers_mut().insert("mcp-session-id", id.clone());
    }
    if let Some(authorization) = &session.authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    }
    if let Some(version) = &session.version {
        request
            .headers_mut()
            .insert("mcp-protocol-version", version.clone());
    }
    Ok(request)
}

fn bad(why: impl std::fmt::Display) -> Failure {
    Failure::new(ErrorKind::BadSpec, Sent::No, why)
}
