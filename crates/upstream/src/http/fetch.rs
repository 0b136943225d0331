//! One hardened request outside MCP: metadata documents, key sets, token endpoints.
//!
//! What is fetched here decides whom we trust next, and its address was often said by somebody we do not trust. So: https,
//! but for addresses on this machine or in a private network where `allow_private` says so; every address of the host
//! checked and exactly a checked one dialled; no redirect followed; size, time and encoding bounded; nothing of the
//! answer interpreted.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use remit_enforce::{Permitted, System};
use zeroize::Zeroizing;

use super::dial::Dialler;
use super::request::AGENT;
use super::response::{kind, whole};
use super::url::Endpoint;
use crate::environment::Environment;
use crate::error::{ErrorKind, Sent, UpstreamError};
use crate::wire::Failure;
use crate::wire::gate::Terms;

/// Most bytes taken of an answer, whatever the caller says.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Longest wait for an answer, whatever the caller says.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Clone, Debug)]
pub struct FetchRequest {
    /// The whole address.
    pub url: String,
    /// What is sent.
    pub body: FetchBody,
    /// The whole `Authorization` field, where one belongs.
    pub authorization: Option<Secret>,
    /// A credential in another header: its name, and the whole field.
    pub header: Option<(String, Secret)>,
    /// The address may be on this machine or in a private network, and `http` there.
    pub allow_private: bool,
    /// Most bytes of the answer; at most 1 MiB.
    pub bytes_max: usize,
    /// Longest wait; at most 30 s.
    pub timeout: Duration,
}

/// What is sent.
#[derive(Clone, Debug)]
pub enum FetchBody {
    /// `GET`.
    Nothing,
    /// `DELETE`.
    Delete,
    /// `POST` of `application/x-www-form-urlencoded`.
    Form(Secret),
    /// `POST` of `application/json`.
    Json(Secret),
}

/// Bytes that are wiped when dropped and never printed.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes them.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What came back.
#[derive(Clone)]
pub struct Fetched {
    /// HTTP status; never a redirect.
    pub status: u16,
    /// The media type without parameters, in lower case; empty when there is none.
    pub media_type: String,
    /// The body as it came. Not trusted, not scrubbed: it may hold a token.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fetched")
            .field("status", &self.status)
            .field("media_type", &self.media_type)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Asks once. The permit is for one origin; the address must be there.
///
/// # Errors
/// [`UpstreamError`], which says how far the request got.
pub async fn fetch(
    permitted: Permitted<System>,
    request: &FetchRequest,
    environment: &Environment,
) -> Result<Fetched, UpstreamError> {
    let (system, permit) = permitted.into_parts();
    let terms = Terms::of(&permit, &environment.clock);
    let asked = async {
        let endpoint =
            Endpoint::parse(&request.url).map_err(|e| Failure::new(ErrorKind::BadSpec, Sent::No, e))?;
        if system.origin() != Some(endpoint.origin().as_str()) {
            return Err(Failure::new(ErrorKind::WrongPermit, Sent::No, ""));
        }
        ask(&terms, endpoint, request, environment).await
    };
    asked
        .await
        .map_err(|failure| failure.at(&system.server, &environment.scrubber))
}

pub(crate) async fn ask(
    terms: &Terms,
    endpoint: Endpoint,
    request: &FetchRequest,
    environment: &Environment,
) -> Result<Fetched, Failure> {
    let message = message(&endpoint, request)?;
    let dialler = Dialler {
        endpoint,
        allow_private: request.allow_private,
        resolver: environment.resolver.clone(),
        tls: environment.tls.clone(),
    };
    let gate = terms.gate(request.timeout.min(WAIT_MAX));
    // Nothing is looked up for a permit that is not fresh.
    gate.check()?;
    let asked = async {
        let mut dialled = dialler.dial().await?;
        gate.pass()?;
        let mut response = dialled
            .sender
            .send_request(message)
            .await
            .map_err(|e| Failure::new(ErrorKind::Gone, Sent::Maybe, e))?;
        kind(&response)?;
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.split(';').next())
            .map_or_else(String::new, |essence| essence.trim().to_ascii_lowercase());
        let body = whole(&mut response, request.bytes_max.min(ANSWER_BYTES_MAX)).await?;
        Ok(Fetched {
            status: response.status().as_u16(),
            media_type,
            body: Zeroizing::new(body),
        })
    };
    gate.run(asked).await
}

fn message(endpoint: &Endpoint, request: &FetchRequest) -> Result<Request<Full<Bytes>>, Failure> {
    let bad = |e: &dyn fmt::Display| Failure::new(ErrorKind::BadSpec, Sent::No, e);
    let (method, media_type, body) = match &request.body {
        FetchBody::Nothing => (Method::GET, None, Bytes::new()),
        FetchBody::Delete => (Method::DELETE, None, Bytes::new()),
        FetchBody::Form(form) => (
            Method::POST,
            Some("application/x-www-form-urlencoded"),
            Bytes::copy_from_slice(&form.0),
        ),
        FetchBody::Json(json) => (
            Method::POST,
            Some("application/json"),
            Bytes::copy_from_slice(&json.0),
        ),
    };
    let mut message = Request::builder()
        .method(method)
        .uri(endpoint.path.as_str())
        .header(HOST, endpoint.authority.as_str())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        .body(Full::new(body))
        .map_err(|e| bad(&e))?;
    if let Some(media_type) = media_type {
        message
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    }
    if let Some(authorization) = &request.authorization {
        let mut value = HeaderValue::from_bytes(&authorization.0)
            .map_err(|_| bad(&"the credential cannot stand in a header"))?;
        value.set_sensitive(true);
        message.headers_mut().insert(AUTHORIZATION, value);
    }
    if let Some((name, value)) = &request.header {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|e| bad(&e))?;
        let mut value =
            HeaderValue::from_bytes(&value.0).map_err(|_| bad(&"the credential cannot stand in a header"))?;
        value.set_sensitive(true);
        message.headers_mut().insert(name, value);
    }
    Ok(message)
}
