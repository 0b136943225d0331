//! Responses: one JSON message, an event stream, or nothing.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use bytes::Bytes;
use futures_util::Stream;
use remit_core::limits::STREAM_PING_MS;
use remit_core::object;

use crate::mcp::answer::Final;
use crate::ports::AuthFailure;
use crate::rpc::{self, Fault, Id, RpcError};

/// A comment that keeps a silent stream open.
pub(crate) const PING: &[u8] = b": ping\n\n";

/// How long a stream may be silent.
pub(crate) const SILENCE: Duration = Duration::from_millis(STREAM_PING_MS);

/// One JSON message.
pub(crate) fn json(status: StatusCode, bytes: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The message that ends an exchange.
pub(crate) fn last(message: Final) -> Response<Body> {
    json(message.status, message.bytes)
}

/// An error as the whole response.
pub(crate) fn error(id: Option<&Id>, error: &RpcError) -> Response<Body> {
    let mut response = json(error.status, rpc::error(id, error));
    if error.status == StatusCode::PAYLOAD_TOO_LARGE || error.status == StatusCode::REQUEST_TIMEOUT {
        // What is left of the body is not worth reading.
        response
            .headers_mut()
            .insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// An error about one message as the whole response.
pub(crate) fn fault(fault: &Fault) -> Response<Body> {
    error(fault.id.as_ref(), &fault.error)
}

/// Nothing but a status.
pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// HTTP 405 on a path that knows only POST for this client.
pub(crate) fn only_post() -> Response<Body> {
    let mut response = error(
        None,
        &RpcError::invalid_request("only POST is served here for this revision")
            .with_status(StatusCode::METHOD_NOT_ALLOWED),
    );
    response
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

/// HTTP 401, or 503 when the token could not be checked.
pub(crate) fn unauthenticated(failure: &AuthFailure) -> Response<Body> {
    let mut nonce = None;
    let (reason, challenge) = match failure {
        AuthFailure::Missing => ("no_task", Some("Bearer".to_owned())),
        AuthFailure::Unknown => (
            "credential_invalid",
            Some("Bearer error=\"invalid_token\", error_description=\"unknown token\"".to_owned()),
        ),
        AuthFailure::HumanCredential => (
            "actor_invalid",
            Some("Bearer error=\"invalid_token\", error_description=\"not the token of a task\"".to_owned()),
        ),
        AuthFailure::TaskEnded(_) => (
            "task_ended",
            Some("Bearer error=\"invalid_token\", error_description=\"the task has ended\"".to_owned()),
        ),
        AuthFailure::Proof {
            error,
            nonce: fresh,
            algorithms,
            ..
        } => {
            nonce = fresh.as_deref();
            (
                "actor_invalid",
                Some(format!("DPoP error=\"{error}\", algs=\"{algorithms}\"")),
            )
        }
        AuthFailure::Anomaly(_) => (
            "actor_invalid",
            Some(
                "Bearer error=\"invalid_token\", error_description=\"presented by another than its run\""
                    .to_owned(),
            ),
        ),
        AuthFailure::Unavailable(_) => ("unavailable", None),
    };
    let status = if challenge.is_some() {
        StatusCode::UNAUTHORIZED
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let message = failure.to_string();
    let data = object! { "decision": "deny", "reason": reason, "message": message.as_str() };
    let refused = RpcError::new(i64::from(status.as_u16()), message)
        .with_status(status)
        .with_data(data);
    let mut response = error(None, &refused);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::WWW_AUTHENTICATE, challenge.as_deref()),
        (HeaderName::from_static("dpop-nonce"), nonce),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// Adds to a challenge where the client learns how to come to a token (RFC 9728, 5.1; MCP 2026-07-28, authorization).
pub(crate) fn pointing_to(mut response: Response<Body>, metadata: &str) -> Response<Body> {
    let challenge = response
        .headers()
        .get(header::WWW_AUTHENTICATE)
        .and_then(|value| value.to_str().ok());
    if let Some(challenge) = challenge {
        let joint = if challenge.contains(' ') { "," } else { "" };
        let more = format!("{challenge}{joint} resource_metadata=\"{metadata}\"");
        if let Ok(value) = HeaderValue::from_str(&more) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
        }
    }
    response
}

/// An event stream.
pub(crate) fn events<S>(stream: S) -> Response<Body>
where
    S: Stream<Item = Bytes> + Send + 'static,
{
    use futures_util::StreamExt as _;
    let mut response = Response::new(Body::from_stream(stream.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    response
}

/// One event with one message in one `data` line.
pub(crate) fn event(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 32);
    out.extend_from_slice(b"event: message\ndata: ");
    out.extend_from_slice(message);
    out.extend_from_slice(b"\n\n");
    Bytes::from(out)
}
