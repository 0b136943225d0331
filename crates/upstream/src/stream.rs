//! Plain byte streams for protocols that are no HTTP: a Unix socket, or a host with TLS as PostgreSQL negotiates it.
//!
//! The address rules are those of every other connection: each address of the host checked, exactly a checked one dialled.

use std::path::PathBuf;
use std::time::Duration;

use remit_enforce::{Permitted, System};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;

use crate::environment::Environment;
use crate::error::{ErrorKind, Sent, UpstreamError};
use crate::http::dial::Dialler;
use crate::http::url::Endpoint;
use crate::wire::Failure;
use crate::wire::gate::Terms;

/// How long opening may take.
const OPEN: Duration = Duration::from_secs(15);
/// `SSLRequest` (PostgreSQL protocol 3.0, 55.2.10): length 8 and the request code 80877103.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// Where a stream leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A Unix socket of this machine.
    Socket(PathBuf),
    /// A host.
    Host {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// TLS as PostgreSQL negotiates it; a server that has none is refused.
        tls: bool,
        /// Private and loopback addresses may be dialled.
        allow_private: bool,
    },
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Host { host, port, .. } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

/// Both directions of a stream.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Opens a stream. The permit names the target.
///
/// # Errors
/// [`UpstreamError`]; no byte of any request has left then.
pub async fn stream(
    permitted: Permitted<System>,
    target: &Target,
    environment: &Environment,
) -> Result<Box<dyn Duplex>, UpstreamError> {
    let (system, permit) = permitted.into_parts();
    let terms = Terms::of(&permit, &environment.clock);
    let opened = async {
        if system.target() != Some(target.to_string().as_str()) {
            return Err(Failure::new(ErrorKind::WrongPermit, Sent::No, ""));
        }
        let gate = terms.gate(OPEN);
        gate.check()?;
        gate.run(open(target, environment)).await
    };
    opened
        .await
        .map_err(|failure| failure.at(&system.server, &environment.scrubber))
}

async fn open(target: &Target, environment: &Environment) -> Result<Box<dyn Duplex>, Failure> {
    match target {
        Target::Socket(path) => match UnixStream::connect(path).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(Failure::new(
                ErrorKind::Unreachable,
                Sent::No,
                format!("{}: {error}", path.display()),
            )),
        },
        Target::Host {
            host,
            port,
            tls,
            allow_private,
        } => {
            let bracketed = if host.contains(':') {
                format!("[{host}]")
            } else {
                host.clone()
            };
            let scheme = if *tls { "https" } else { "http" };
            let endpoint = Endpoint::parse(&format!("{scheme}://{bracketed}:{port}/"))
                .map_err(|error| Failure::new(ErrorKind::BadSpec, Sent::No, error))?;
            let name = endpoint.host.clone();
            let dialler = Dialler {
                endpoint,
                allow_private: *allow_private,
                resolver: environment.resolver.clone(),
                tls: environment.tls.clone(),
            };
            let mut stream = dialler.plain().await?;
            if !*tls {
                return Ok(Box::new(stream));
            }
            let refused = |why: &dyn std::fmt::Display| Failure::new(ErrorKind::Tls, Sent::No, why);
            stream
                .write_all(&SSL_REQUEST)
                .await
                .map_err(|error| refused(&error))?;
            let mut answer = [0_u8; 1];
            stream
                .read_exact(&mut answer)
                .await
                .map_err(|error| refused(&error))?;
            if answer != *b"S" {
                return Err(refused(&"it offers no TLS"));
            }
            let name =
                ServerName::try_from(name).map_err(|_| refused(&"its host name cannot be verified"))?;
            // Without the protocol list of HTTP: it would be an offer of something else.
            let mut config = (*environment.tls).clone();
            config.alpn_protocols.clear();
            let stream = TlsConnector::from(std::sync::Arc::new(config))
                .connect(name, stream)
                .await
                .map_err(|error| refused(&error))?;
            Ok(Box::new(stream))
        }
    }
}
