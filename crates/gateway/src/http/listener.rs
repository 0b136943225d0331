//! What connections arrive on: TCP on this machine, TLS for whoever comes from further away, a Unix socket for processes of
//! this machine whom the kernel names.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio_rustls::TlsAcceptor;

use super::tls::{HANDSHAKE, Tls};
use crate::ports::{Connection, PeerProcess};

/// Names the process at the other end of a connection that was just accepted.
pub type Identify = fn(&UnixStream) -> Option<PeerProcess>;

/// A listener for agents.
#[derive(Debug)]
pub enum Listener {
    /// Plain TCP.
    Tcp(TcpListener),
    /// TLS over TCP.
    Tls(TcpListener, Tls),
    /// A Unix socket, and who tells whose process connected.
    Unix(UnixListener, Identify),
}

/// A connection that was accepted; nothing has been read from it.
pub(super) enum Accepted {
    Tcp(TcpStream, Connection),
    Tls(TcpStream, Tls, Connection),
    Unix(UnixStream, Connection),
}

/// Bytes both ways, whatever carries them.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<IO: AsyncRead + AsyncWrite + Send + Unpin> Stream for IO {}

impl Listener {
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        match self {
            Self::Tcp(listener) => {
                let (stream, known) = tcp(listener).await?;
                Ok(Accepted::Tcp(stream, known))
            }
            Self::Tls(listener, tls) => {
                let (stream, known) = tcp(listener).await?;
                Ok(Accepted::Tls(stream, tls.clone(), known))
            }
            Self::Unix(listener, identify) => {
                let (stream, _) = listener.accept().await?;
                // At once, so that a pid that is given to another later means the process that connected.
                let known = Connection::unix(identify(&stream));
                Ok(Accepted::Unix(stream, known))
            }
        }
    }
}

async fn tcp(listener: &TcpListener) -> io::Result<(TcpStream, Connection)> {
    let (stream, remote) = listener.accept().await?;
    // Small messages should not wait for each other's acknowledgements.
    let _ = stream.set_nodelay(true);
    let known = Connection::tcp(stream.local_addr().ok(), Some(remote));
    Ok((stream, known))
}

impl Accepted {
    /// Agrees on TLS where it is spoken: the bytes, and what the connection says about the other end.
    pub(super) async fn open(self) -> io::Result<(Box<dyn Stream>, Arc<Connection>)> {
        match self {
            Self::Tcp(stream, known) => Ok((Box::new(stream), Arc::new(known))),
            Self::Unix(stream, known) => Ok((Box::new(stream), Arc::new(known))),
            Self::Tls(stream, tls, known) => {
                let agreed = TlsAcceptor::from(tls.config).accept(stream);
                let agreed = tokio::time::timeout(HANDSHAKE, agreed)
                    .await
                    .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
                let shown = agreed.get_ref().1.peer_certificates().unwrap_or_default();
                let shown = shown.iter().map(|certificate| certificate.to_vec()).collect();
                let known = Connection::tls(known.local, known.remote, shown);
                Ok((Box::new(agreed), Arc::new(known)))
            }
        }
    }
}
