//! One HTTP request on a connection of its own, to the gateway on this machine.

use std::time::Duration;

use ::http::{HeaderMap, Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;

/// How long an answer may take: longer than the longest wait for people.
const PATIENCE: Duration = Duration::from_secs(90);
/// Most bytes of an answer that are read.
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

/// Sends a request. `enough` looks at what came so far and says when the rest of a stream need not be waited for.
pub(super) async fn send(
    address: &str,
    method: Method,
    path: &str,
    headers: &[(String, String)],
    body: String,
    enough: impl Fn(&str) -> bool,
) -> Result<Response, String> {
    let exchange = exchange(address, method, path, headers, body, enough);
    match tokio::time::timeout(PATIENCE, exchange).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
    }
}

async fn exchange(
    address: &str,
    method: Method,
    path: &str,
    headers: &[(String, String)],
    body: String,
    enough: impl Fn(&str) -> bool,
) -> Result<Response, String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "plays the agent: dials the gateway on loopback, never an upstream"
    )]
    let stream = tokio::net::TcpStream::connect(address)
        .await
        .map_err(|error| format!("cannot connect: {error}"))?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|error| format!("cannot connect: {error}"))?;
    let driving = tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, value);
    }
    let request = request
        .body(Full::new(Bytes::from(body)))
        .map_err(|error| format!("not a request: {error}"))?;
    let answer = sender
        .send_request(request)
        .await
        .map_err(|error| format!("no answer: {error}"))?;
    let (parts, incoming) = answer.into_parts();
    let body = read(incoming, enough).await?;
    driving.abort();
    Ok(Response {
        status: parts.status,
        headers: parts.headers,
        body,
    })
}

async fn read(mut incoming: Incoming, enough: impl Fn(&str) -> bool) -> Result<String, String> {
    let mut bytes = Vec::new();
    while let Some(frame) = incoming.frame().await {
        let frame = frame.map_err(|error| format!("the answer broke off: {error}"))?;
        if let Some(data) = frame.data_ref() {
            bytes.extend_from_slice(data);
        }
        if bytes.len() > BYTES_MAX {
            return Err(format!("the answer is longer than {BYTES_MAX} bytes"));
        }
        if bytes.ends_with(b"\n") && enough(&String::from_utf8_lossy(&bytes)) {
            break;
        }
    }
    String::from_utf8(bytes).map_err(|_| "the answer is not UTF-8".to_owned())
}
