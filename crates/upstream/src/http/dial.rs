//! Opens one connection: name → checked addresses → TCP → TLS → HTTP/1.1, or HTTP/2 where both sides offer it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::{Reach, Resolve, reach};
use super::url::Endpoint;
use crate::error::{ErrorKind, Sent};
use crate::wire::Failure;

/// How long one address may take to answer a connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Most headers taken in one answer.
const HEADERS_MAX: usize = 128;
/// Most bytes of headers taken in one answer over HTTP/2.
const HEADER_BYTES_MAX: u32 = 64 * 1024;
/// HTTP/2 over TLS, as it is agreed on (RFC 7301, RFC 9113).
const H2: &[u8] = b"h2";
/// Most addresses tried.
const ADDRESSES_MAX: usize = 8;

/// A connection of our own, closed when dropped.
#[derive(Debug)]
pub(crate) struct Dialled<B = Full<Bytes>> {
    pub(crate) sender: SendRequest<B>,
    _driver: Driver,
}

/// What moves the bytes of a connection; dropped, it closes it.
#[derive(Debug)]
pub(crate) struct Driver(AbortHandle);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Driver {
    fn of(work: impl Future<Output = hyper::Result<()>> + Send + 'static) -> Self {
        // How it ended is seen by whoever waits for an answer.
        Self(tokio::spawn(async move { drop(work.await) }).abort_handle())
    }
}

/// A connection in the version that was agreed on.
pub(crate) enum Spoken<B> {
    /// HTTP/1.1.
    One(Dialled<B>),
    /// HTTP/2.
    Two(http2::SendRequest<B>, Driver),
}

/// Where and under which conditions connections are opened.
#[derive(Clone)]
pub(crate) struct Dialler {
    pub(crate) endpoint: Endpoint,
    pub(crate) allow_private: bool,
    pub(crate) resolver: Arc<dyn Resolve>,
    pub(crate) tls: Arc<rustls::ClientConfig>,
}

impl Dialler {
    /// Opens a connection. No byte of any request leaves here.
    pub(crate) async fn dial<B>(&self) -> Result<Dialled<B>, Failure>
    where
        B: hyper::body::Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.plain().await?;
        if !self.endpoint.https {
            return handshake(stream).await;
        }
        handshake(self.secured(stream, self.tls.clone()).await?).await
    }

    /// The same, offering HTTP/2 over TLS (RFC 9113, 3.2).
    pub(crate) async fn dial_either<B>(&self) -> Result<Spoken<B>, Failure>
    where
        B: hyper::body::Body + Unpin + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let stream = self.plain().await?;
        if !self.endpoint.https {
            return Ok(Spoken::One(handshake(stream).await?));
        }
        let mut tls = rustls::ClientConfig::clone(&self.tls);
        tls.alpn_protocols = vec![H2.to_vec(), b"http/1.1".to_vec()];
        let stream = self.secured(stream, Arc::new(tls)).await?;
        if stream.get_ref().1.alpn_protocol() != Some(H2) {
            return Ok(Spoken::One(handshake(stream).await?));
        }
        let (sender, driver) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(HEADER_BYTES_MAX)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| Failure::new(ErrorKind::Unreachable, Sent::No, e))?;
        Ok(Spoken::Two(sender, Driver::of(driver)))
    }

    async fn secured(
        &self,
        stream: TcpStream,
        tls: Arc<rustls::ClientConfig>,
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let name = ServerName::try_from(self.endpoint.host.clone())
            .map_err(|_| Failure::new(ErrorKind::Tls, Sent::No, "its host name cannot be verified"))?;
        TlsConnector::from(tls)
            .connect(name, stream)
            .await
            .map_err(|e| Failure::new(ErrorKind::Tls, Sent::No, e))
    }

    /// Opens the connection below TLS and HTTP.
    pub(crate) async fn plain(&self) -> Result<TcpStream, Failure> {
        let stream = self.connect(&self.addresses().await?).await?;
        // Small requests must not wait for the acknowledgement of earlier ones.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// Every address of the host, all of them allowed. One that is not refuses the host: names that resolve to both kinds
    /// are how a resolver is used to get past a check.
    async fn addresses(&self) -> Result<Vec<SocketAddr>, Failure> {
        let (host, port) = (self.endpoint.host.as_str(), self.endpoint.port);
        let all = self
            .resolver
            .resolve(host, port)
            .await
            .map_err(|e| Failure::new(ErrorKind::Unreachable, Sent::No, format!("`{host}`: {e}")))?;
        for address in &all {
            self.check(address.ip()).map_err(|why| {
                let ip = address.ip();
                Failure::new(
                    ErrorKind::AddressRefused,
                    Sent::No,
                    format!("`{host}` is {ip}, {why}"),
                )
            })?;
        }
        if all.is_empty() {
            return Err(Failure::new(
                ErrorKind::Unreachable,
                Sent::No,
                format!("`{host}` has no address"),
            ));
        }
        Ok(all)
    }

    fn check(&self, ip: std::net::IpAddr) -> Result<(), &'static str> {
        match (reach(ip), self.allow_private) {
            (Reach::Never, _) => Err("which is never a server"),
            (Reach::Private, false) => Err("which is not public: set `allow_private` to reach it"),
            (Reach::Public, _) if !self.endpoint.https => Err("which is public: use https"),
            _ => Ok(()),
        }
    }

    async fn connect(&self, addresses: &[SocketAddr]) -> Result<TcpStream, Failure> {
        let mut last = None;
        for &address in addresses.iter().take(ADDRESSES_MAX) {
            match tokio::time::timeout(CONNECT, connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(e)) => last = Some(format!("{address}: {e}")),
                Err(_) => last = Some(format!("{address}: no answer")),
            }
        }
        Err(Failure::new(
            ErrorKind::Unreachable,
            Sent::No,
            last.unwrap_or_default(),
        ))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the dialler")]
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect(address).await
}

async fn handshake<B>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<Dialled<B>, Failure>
where
    B: hyper::body::Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, driver) = http1::Builder::new()
        .max_headers(HEADERS_MAX)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|e| Failure::new(ErrorKind::Unreachable, Sent::No, e))?;
    Ok(Dialled {
        sender,
        _driver: Driver::of(driver),
    })
}
