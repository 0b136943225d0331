//! What the broker needs from the house: requests and byte streams towards one system, each recorded and permitted
//! before it leaves. Who implements this is the only one that knows how.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use zeroize::Zeroizing;

/// Work under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One HTTP request to a backend.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The whole address.
    pub url: String,
    /// Method and body.
    pub body: Body,
    /// The whole `Authorization` field, where one belongs.
    pub authorization: Option<SecretString>,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
}

/// Method and body of a request.
#[derive(Clone, Debug)]
pub enum Body {
    /// `GET`.
    Get,
    /// `DELETE`.
    Delete,
    /// `POST` of `application/x-www-form-urlencoded`.
    Form(SecretString),
    /// `POST` of `application/json`.
    Json(SecretString),
}

/// What came back.
#[derive(Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body; may hold a credential, so it is wiped and never printed.
    pub body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("status", &self.status)
            .field("bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// A sentence that repeats nothing of the body.
    pub fn json(&self) -> Result<serde_json::Value, Unreached> {
        serde_json::from_slice(&self.body)
            .map_err(|_| Unreached::answered(self.status, "its answer is not JSON"))
    }
}

/// Why a backend was not reached, or gave nothing usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreached {
    /// It could not be asked, or did not answer.
    #[error("{0}")]
    Away(String),
    /// It answered with this status, and not with what was asked for.
    #[error("it answered with status {status}{}{why}", if why.is_empty() { "" } else { ": " })]
    Answered {
        /// The status.
        status: u16,
        /// What is wrong with it; may be empty.
        why: String,
    },
}

impl Unreached {
    /// An answer that is of no use.
    pub fn answered(status: u16, why: impl fmt::Display) -> Self {
        Self::Answered {
            status,
            why: why.to_string(),
        }
    }
}

/// Asks backends over HTTP.
pub trait Http: Send + Sync {
    /// Asks once; nothing is followed or repeated.
    fn ask<'a>(&'a self, ask: Ask) -> Pending<'a, Result<Answer, Unreached>>;
}

/// Where a byte stream leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A Unix socket of this machine.
    Socket(PathBuf),
    /// A host.
    Host {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// TLS as PostgreSQL negotiates it, verified against the host's name.
        tls: bool,
        /// The address may be on this machine or in a private network.
        allow_private: bool,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(path) => write!(f, "unix:{}", path.display()),
            Self::Host { host, port, .. } => write!(f, "tcp:{host}:{port}"),
        }
    }
}

/// Both directions of a stream.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// An open stream.
pub type Stream = Box<dyn Duplex>;

/// Opens byte streams.
pub trait Streams: Send + Sync {
    /// Opens one.
    fn open<'a>(&'a self, place: &'a Place) -> Pending<'a, Result<Stream, Unreached>>;
}
