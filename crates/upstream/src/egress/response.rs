//! The answer: a head that is passed on in part, and a body that streams, bounded, scrubbed and cut with its authority.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use http::{HeaderMap, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::outlet::Kept;
use super::stream_scrub::StreamScrub;
use crate::error::{ErrorKind, Sent};
use crate::scrub::Scrubber;
use crate::wire::Failure;
use crate::wire::gate::Gate;

/// Longest body passed on, in bytes.
const BODY_BYTES_MAX: u64 = 8 * 1024 * 1024 * 1024;
/// How long a body may be silent: long answers of models and long polls included.
const SILENCE: Duration = Duration::from_secs(300);

/// Headers that speak of the connection, or to a browser, or hand out credentials of their own.
const DROPPED: [&str; 14] = [
    "alt-svc",
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "public-key-pins",
    "set-cookie",
    "set-cookie2",
    "strict-transport-security",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The answer of a system.
#[derive(Debug)]
pub struct EgressResponse {
    /// Status.
    pub status: u16,
    /// Headers that may be passed on, scrubbed.
    pub headers: Vec<(String, String)>,
    /// Length of the body, where it is known and will hold.
    pub length: Option<u64>,
    /// The body.
    pub body: EgressBody,
}

/// A body, piece by piece.
pub struct EgressBody {
    incoming: Incoming,
    scrub: StreamScrub,
    gate: Gate,
    kept: Option<Kept>,
    len: u64,
    over: bool,
}

impl std::fmt::Debug for EgressBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EgressBody")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

pub(super) fn read(
    response: Response<Incoming>,
    method: &Method,
    scrubber: &Arc<Scrubber>,
    gate: Gate,
    kept: Kept,
) -> Result<EgressResponse, Failure> {
    let (head, incoming) = response.into_parts();
    if head.status.is_informational() {
        return Err(Failure::protocol(Sent::Yes, "it wants to speak another protocol"));
    }
    if head
        .headers
        .get(CONTENT_ENCODING)
        .is_some_and(|value| value != "identity")
    {
        return Err(Failure::protocol(
            Sent::Yes,
            "its answer is compressed, which was not asked for",
        ));
    }
    let scrub = StreamScrub::new(Arc::clone(scrubber));
    let announced = head
        .headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    if announced.is_some_and(|length: u64| length > BODY_BYTES_MAX) {
        return Err(too_long());
    }
    let bodiless = *method == Method::HEAD
        || matches!(
            head.status,
            StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED
        );
    Ok(EgressResponse {
        status: head.status.as_u16(),
        headers: passed_on(&head.headers, scrubber),
        length: announced.filter(|_| bodiless || scrub.is_idle()),
        body: EgressBody {
            incoming,
            scrub,
            gate,
            kept: Some(kept),
            len: 0,
            over: false,
        },
    })
}

fn passed_on(headers: &HeaderMap, scrubber: &Scrubber) -> Vec<(String, String)> {
    let named: Vec<String> = headers
        .get_all(http::header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    headers
        .iter()
        .filter(|(name, _)| !DROPPED.contains(&name.as_str()) && !named.iter().any(|n| n == name.as_str()))
        .filter_map(|(name, value)| {
            Some((
                name.as_str().to_owned(),
                scrubber.text(value.to_str().ok()?).into_owned(),
            ))
        })
        .collect()
}

fn too_long() -> Failure {
    Failure::new(
        ErrorKind::TooLarge,
        Sent::Yes,
        format!("an answer longer than {BODY_BYTES_MAX} bytes"),
    )
}

impl EgressBody {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`Failure`]: it was cut off, by the system, by us, or because the authority behind it ended.
    pub(super) async fn next_piece(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            if self.over {
                return Ok(None);
            }
            let incoming = &mut self.incoming;
            let next = async {
                match tokio::time::timeout(SILENCE, incoming.frame()).await {
                    Err(_) => Err(Failure::new(
                        ErrorKind::TimedOut,
                        Sent::Maybe,
                        "its answer stopped coming",
                    )),
                    Ok(None) => Ok(None),
                    Ok(Some(Err(error))) => Err(crate::http::response::cut_short(&error)),
                    Ok(Some(Ok(frame))) => Ok(Some(frame)),
                }
            };
            let piece = match self.gate.run(next).await? {
                Some(frame) => match frame.into_data() {
                    Ok(data) => {
                        self.len += data.len() as u64;
                        if self.len > BODY_BYTES_MAX {
                            return Err(too_long());
                        }
                        self.scrub.push(data)
                    }
                    // Fields behind the body speak of the connection, and are not passed on.
                    Err(_) => continue,
                },
                None => {
                    self.over = true;
                    if let Some(kept) = self.kept.take() {
                        kept.give_back();
                    }
                    self.scrub.finish()
                }
            };
            if !piece.is_empty() {
                return Ok(Some(piece));
            }
        }
    }

    /// How many bytes came.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// True when none came yet.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
