//! The way out of a command with a network of its own: what it connects to inside is accepted here and passed on to Remit's
//! socket for agents, byte by byte. The kernel tells Remit that it is we who pass it on.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;

use serde_json::Value;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;

/// Where the command finds Remit: the same address inside as outside.
///
/// # Errors
/// Remit does not listen on the loopback.
pub(super) fn address(opened: &Value) -> Result<SocketAddr, Failure> {
    let url = fields::text(opened, "mcp_url");
    let authority = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split('/').next());
    let address = authority.and_then(|authority| authority.parse::<SocketAddr>().ok());
    address.filter(|address| address.ip().is_loopback()).ok_or_else(|| {
        Failure::local(format!(
            "`--contained` needs Remit on an address of the loopback, not at `{url}`: see `[listen]` in the configuration"
        ))
    })
}

/// Passes on until it is dropped.
pub(super) struct Relay {
    _accepting: JoinSet<()>,
}

/// Starts to pass on what is accepted.
///
/// # Errors
/// The listener cannot be used.
pub(super) fn start(context: &Context, listener: TcpListener) -> Result<Relay, Failure> {
    let listener = listener
        .set_nonblocking(true)
        .and_then(|()| tokio::net::TcpListener::from_std(listener))
        .map_err(|error| Failure::local(format!("cannot open the command's way out: {error}")))?;
    let socket = context.paths.agents_socket();
    let mut accepting = JoinSet::new();
    accepting.spawn(accept(listener, socket));
    Ok(Relay {
        _accepting: accepting,
    })
}

async fn accept(listener: tokio::net::TcpListener, socket: PathBuf) {
    let mut open = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(open.spawn(pass(stream, socket.clone()))),
                // No descriptor is free: those in use are given back in a moment.
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn pass(mut inside: TcpStream, socket: PathBuf) {
    // A Remit that is gone is a connection that closes, as without us.
    if let Ok(mut outside) = UnixStream::connect(socket).await {
        let _ = inside.set_nodelay(true);
        let _ = copy_bidirectional(&mut inside, &mut outside).await;
    }
}
