//! The head and the body of an answer, each bounded.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::error::{ErrorKind, Sent};
use crate::wire::Failure;

/// Most bytes read of an answer that says nothing in the protocol.
pub(super) const REFUSAL_BYTES_MAX: usize = 64 * 1024;

/// What the body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Json,
    Events,
    Other,
}

/// Looks at the head. Redirects and encodings we did not ask for are refused.
pub(crate) fn kind(response: &Response<Incoming>) -> Result<Kind, Failure> {
    let (status, headers) = (response.status(), response.headers());
    if status.is_redirection() {
        let to = headers
            .get(LOCATION)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("nowhere");
        let to: String = to.chars().take(200).flat_map(char::escape_debug).collect();
        return Err(Failure::protocol(
            Sent::Yes,
            format!("it redirects to `{to}`, which is not followed: register that address if it is right"),
        ));
    }
    if headers.get(CONTENT_ENCODING).is_some_and(|v| v != "identity") {
        return Err(Failure::protocol(
            Sent::Yes,
            "its answer is compressed, which was not asked for",
        ));
    }
    Ok(content_type(headers))
}

fn content_type(headers: &HeaderMap) -> Kind {
    let text = headers
        .get(CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let essence = text.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") {
        Kind::Json
    } else if essence.eq_ignore_ascii_case("text/event-stream") {
        Kind::Events
    } else {
        Kind::Other
    }
}

/// Reads the body to its end, at most `max` bytes.
pub(crate) async fn whole(response: &mut Response<Incoming>, max: usize) -> Result<Vec<u8>, Failure> {
    let too_large = || {
        Failure::new(
            ErrorKind::TooLarge,
            Sent::Yes,
            format!("an answer longer than {max} bytes"),
        )
    };
    let announced = response
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max) {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced.unwrap_or(0).min(64 * 1024));
    while let Some(frame) = response.body_mut().frame().await {
        let frame = frame.map_err(|e| cut_short(&e))?;
        if let Some(data) = frame.data_ref() {
            if body.len() + data.len() > max {
                return Err(too_large());
            }
            body.extend_from_slice(data);
        }
    }
    Ok(body)
}

pub(crate) fn cut_short(error: &hyper::Error) -> Failure {
    Failure::new(
        ErrorKind::Gone,
        Sent::Maybe,
        format!("its answer was cut short: {error}"),
    )
}
