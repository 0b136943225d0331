//! The connection to the gateway on this machine: one request each, its answer message by message.

use std::io::ErrorKind;
use std::path::PathBuf;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};

use super::WrapError;
use crate::http::Stream;

/// Where the gateway is, and who we are.
#[derive(Debug)]
pub(super) struct Link {
    address: (String, u16),
    /// The gateway's Unix socket, where there is one for us: over it the kernel says whose process we are.
    socket: Option<PathBuf>,
    host: HeaderValue,
    path: String,
    bearer: HeaderValue,
}

/// The gateway did not answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// Nobody listens there.
    #[error("the gateway at `{0}` cannot be reached ({1}): is `remit up` running?")]
    Unreachable(String, std::io::Error),
    /// It broke off.
    #[error("the gateway broke off ({0}): what became of this request is in its ledger")]
    Broken(#[from] hyper::Error),
}

impl Link {
    /// A link to `url`.
    ///
    /// # Errors
    /// When `url` is no plain HTTP address on this machine, or the token cannot be sent.
    pub(super) fn new(url: &Uri, socket: Option<PathBuf>, token: &str) -> Result<Self, WrapError> {
        let bad = || WrapError::BadUrl(url.to_string());
        let host = url.host().ok_or_else(bad)?;
        let local = matches!(host, "127.0.0.1" | "localhost" | "[::1]");
        if url.scheme_str() != Some("http") || !local {
            return Err(bad());
        }
        let port = url.port_u16().ok_or_else(bad)?;
        let mut bearer =
            HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| WrapError::BadToken)?;
        bearer.set_sensitive(true);
        Ok(Self {
            address: (host.trim_matches(['[', ']']).to_owned(), port),
            socket,
            host: HeaderValue::from_str(&format!("{host}:{port}")).map_err(|_| bad())?,
            path: url.path().to_owned(),
            bearer,
        })
    }

    /// Sends one request; dropping what comes back closes the connection.
    ///
    /// # Errors
    /// [`LinkError`].
    pub(super) async fn send(
        &self,
        method: Method,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Answer, LinkError> {
        let stream = self.connect().await.map_err(|error| {
            let (host, port) = &self.address;
            LinkError::Unreachable(format!("{host}:{port}"), error)
        })?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends with the sender and the body.
        tokio::spawn(connection);
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.path.parse().unwrap_or_default();
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(header::AUTHORIZATION, self.bearer.clone());
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        Ok(Answer::new(sender.send_request(request).await?))
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the agent's side: this reaches the gateway on this machine, never an upstream"
    )]
    async fn connect(&self) -> std::io::Result<Box<dyn Stream>> {
        if let Some(socket) = &self.socket {
            match UnixStream::connect(socket).await {
                Ok(stream) => return Ok(Box::new(stream)),
                // A run with a user id of its own may not open it.
                Err(error)
                    if matches!(
                        error.kind(),
                        ErrorKind::NotFound | ErrorKind::PermissionDenied | ErrorKind::ConnectionRefused
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        let (host, port) = &self.address;
        let stream = TcpStream::connect((host.as_str(), *port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

/// A response of the gateway.
pub(super) struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    body: Incoming,
    events: bool,
    read: BytesMut,
}

impl Answer {
    fn new(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let kind = parts.headers.get(header::CONTENT_TYPE);
        let events = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        Self {
            status: parts.status,
            headers: parts.headers,
            body,
            events,
            read: BytesMut::new(),
        }
    }

    /// The next message; `None` at the end.
    ///
    /// # Errors
    /// When the connection breaks.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, LinkError> {
        loop {
            while self.events
                && let Some(end) = self.read.iter().position(|byte| *byte == b'\n')
            {
                let line = self.read.split_to(end + 1);
                let data = line
                    .strip_prefix(b"data: ")
                    .and_then(|data| data.strip_suffix(b"\n"));
                if let Some(data) = data.filter(|data| !data.is_empty()) {
                    return Ok(Some(data.to_vec()));
                }
            }
            match self.body.frame().await {
                Some(frame) => {
                    if let Ok(data) = frame?.into_data() {
                        self.read.extend_from_slice(&data);
                    }
                }
                None if self.events || self.read.is_empty() => return Ok(None),
                None => return Ok(Some(self.read.split().to_vec())),
            }
        }
    }
}
