//! Reading a request: what type, how long, how fast.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use remit_core::limits::{REQUEST_BODY_MS_MAX, REQUEST_BYTES_MAX};

use crate::rpc::RpcError;

/// What the client can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accept {
    /// `application/json`.
    pub json: bool,
    /// `text/event-stream`.
    pub events: bool,
}

impl Accept {
    /// Reads `Accept`; absent means JSON alone.
    ///
    /// # Errors
    /// HTTP 406 when the client can read neither.
    pub(crate) fn read(headers: &HeaderMap) -> Result<Self, RpcError> {
        let mut accept = Self {
            json: !headers.contains_key(header::ACCEPT),
            events: false,
        };
        let values = headers.get_all(header::ACCEPT).iter();
        for part in values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|v| v.split(','))
        {
            let kind = part
                .split(';')
                .next()
                .unwrap_or_default()
                .trim()
                .to_ascii_lowercase();
            let (any, application, text) = (kind == "*/*", kind == "application/*", kind == "text/*");
            accept.json |= any || application || kind == "application/json";
            accept.events |= any || text || kind == "text/event-stream";
        }
        if accept.json || accept.events {
            return Ok(accept);
        }
        let text = "`Accept` has to name `application/json` and `text/event-stream`";
        Err(RpcError::invalid_request(text).with_status(StatusCode::NOT_ACCEPTABLE))
    }
}

/// Checks that the body is said to be JSON in UTF-8 and not compressed.
///
/// # Errors
/// HTTP 415.
pub(crate) fn check_type(headers: &HeaderMap) -> Result<(), RpcError> {
    let unsupported =
        |text: &str| Err(RpcError::invalid_request(text).with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE));
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let kind = kinds.next().and_then(|value| value.to_str().ok());
    let json = kind.is_some_and(|kind| {
        let mut parts = kind.split(';').map(str::trim);
        let json = parts
            .next()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
        json && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
                charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            }
            _ => true,
        })
    });
    if !json || kinds.next().is_some() {
        return unsupported("`Content-Type` has to be `application/json` (UTF-8)");
    }
    let plain = |value: &axum::http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return unsupported("compressed bodies are not accepted: send it without `Content-Encoding`");
    }
    Ok(())
}

/// Reads the whole body.
///
/// # Errors
/// HTTP 413 beyond the bound, 408 when it comes too slowly, 400 when it breaks off.
pub(crate) async fn read(body: Body) -> Result<Bytes, RpcError> {
    let limit = Duration::from_millis(REQUEST_BODY_MS_MAX);
    match tokio::time::timeout(limit, collect(body)).await {
        Ok(read) => read,
        Err(_) => {
            let text = format!("the body did not arrive within {REQUEST_BODY_MS_MAX} ms");
            Err(RpcError::invalid_request(text).with_status(StatusCode::REQUEST_TIMEOUT))
        }
    }
}

async fn collect(mut body: Body) -> Result<Bytes, RpcError> {
    let announced = http_body::Body::size_hint(&body).lower();
    if usize::try_from(announced).map_or(true, |announced| announced > REQUEST_BYTES_MAX) {
        return Err(too_large());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| {
            RpcError::invalid_request("the body broke off").with_status(StatusCode::BAD_REQUEST)
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > REQUEST_BYTES_MAX {
            return Err(too_large());
        }
        if first.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&data);
        }
    }
    if rest.is_empty() {
        return Ok(first);
    }
    let mut whole = BytesMut::with_capacity(first.len() + rest.len());
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&rest);
    Ok(whole.freeze())
}

fn too_large() -> RpcError {
    RpcError::invalid_request(format!(
        "the body is longer than {REQUEST_BYTES_MAX} bytes: send less"
    ))
    .with_status(StatusCode::PAYLOAD_TOO_LARGE)
}
