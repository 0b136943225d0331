//! The process behind a connection: the run that was started here, or somebody who copied its token. Found out once per
//! connection.

use std::net::SocketAddr;
use std::sync::Arc;

use remit_confine::ProcessId;
use remit_confine::connection::{Holder, holder, relays, socket_inode, tree};
use remit_core::confinement::Proof;
use remit_core::json::Object;
use remit_gateway::ports::{AuthFailure, Connection, PeerProcess};
use remit_store::runs::Process;

use crate::app::App;
use crate::engine::live::Live;
use crate::findings::{self, Found};

/// Checks that a connection is held by the run whose process is `process`.
pub(super) async fn check(
    app: &Arc<App>,
    live: &Arc<Live>,
    process: Process,
    connection: &Arc<Connection>,
) -> Result<Proof, AuthFailure> {
    let run = live.run().id;
    match connection.proved(run) {
        Some(Some(proof)) => return Ok(proof),
        Some(None) => {
            return Err(AuthFailure::Anomaly(
                "as this connection was found to be before".to_owned(),
            ));
        }
        None => {}
    }
    let looked = Arc::clone(connection);
    let found = tokio::task::spawn_blocking(move || look(process, &looked))
        .await
        .map_err(|error| AuthFailure::Unavailable(error.to_string()))?;
    match found {
        Look::Proved(proof) => {
            connection.prove(run, Some(proof));
            Ok(proof)
        }
        Look::Untold(why) => Err(AuthFailure::Unavailable(why)),
        Look::Stranger(stranger) => {
            connection.prove(run, None);
            let message = format!(
                "the token of the run with process {} was presented by {stranger}",
                process.pid
            );
            let mut detail = Object::new();
            detail.insert("bound_to", format!("process {}", process.pid));
            detail.insert("presented_by", stranger.as_str());
            let found = Found {
                kind: "identity_anomaly",
                live: Some(live),
                parties: format!("{run} {stranger}"),
                message,
                detail,
            };
            if let Err(failure) = findings::keep(app, found).await {
                tracing::error!(%failure, "a finding could not be kept");
            }
            Err(AuthFailure::Anomaly(stranger))
        }
    }
}

/// The process behind a connection that was just accepted; `None` when the kernel does not name it for sure.
pub fn identify(stream: &tokio::net::UnixStream) -> Option<PeerProcess> {
    let peer = remit_confine::peer::examine(stream).ok()?;
    Some(PeerProcess {
        pid: peer.id.pid,
        start_time: peer.id.start_time,
        uid: peer.uid,
    })
}

/// What the kernel says.
enum Look {
    Proved(Proof),
    /// Who it is instead.
    Stranger(String),
    /// It cannot be told now.
    Untold(String),
}

fn look(process: Process, connection: &Connection) -> Look {
    let (Ok(pid), Ok(start_time)) = (process.pid.try_into(), process.started.try_into()) else {
        return Look::Untold("the run's process is not one of this machine".to_owned());
    };
    let run = ProcessId { pid, start_time };
    if let Some(peer) = connection.peer {
        return by_socket(run, peer);
    }
    if connection.unix {
        return Look::Untold("the process at the other end of the socket cannot be told".to_owned());
    }
    match (connection.remote, connection.local) {
        (Some(remote), Some(local)) if remote.ip().to_canonical().is_loopback() => by_tcp(run, remote, local),
        (Some(remote), _) => Look::Stranger(format!("{}, which is not this machine", remote.ip())),
        // A connection nobody can tell anything about proves nothing more than the token does.
        (None, _) => Look::Proved(Proof::Bearer),
    }
}

fn by_socket(run: ProcessId, peer: PeerProcess) -> Look {
    let caller = ProcessId {
        pid: peer.pid,
        start_time: peer.start_time,
    };
    match tree(run) {
        Ok(members) if members.contains(&caller) || relays(caller, run) => Look::Proved(Proof::Peer),
        Ok(_) => Look::Stranger(name(caller)),
        Err(error) => Look::Untold(format!("the run's processes cannot be read: {error}")),
    }
}

fn by_tcp(run: ProcessId, remote: SocketAddr, local: SocketAddr) -> Look {
    let inode = match socket_inode(remote, local) {
        Ok(inode) => inode,
        Err(error) if error.kind() == std::io::ErrorKind::Unsupported => return Look::Proved(Proof::Bearer),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Look::Untold("the connection was closed while it was looked at: try again".to_owned());
        }
        // A kernel without `sock_diag` cannot vouch for anybody.
        Err(_) => return Look::Proved(Proof::Bearer),
    };
    match holder(inode, run) {
        Ok(Holder::Run(_)) => Look::Proved(Proof::Peer),
        // Some process of the run hides what it holds; then the token is all there is.
        Ok(Holder::Hidden) => Look::Proved(Proof::Bearer),
        Ok(Holder::Other) => Look::Stranger(whose(inode)),
        Err(error) => Look::Untold(format!("the run's processes cannot be read: {error}")),
    }
}

/// The process that holds a socket, as far as we may look.
fn whose(inode: u32) -> String {
    remit_confine::connection::anybody(inode).map_or_else(|| "a process of another user".to_owned(), name)
}

fn name(process: ProcessId) -> String {
    let command = std::fs::read_to_string(format!("/proc/{}/comm", process.pid)).unwrap_or_default();
    let command: String = command
        .trim()
        .chars()
        .take(32)
        .flat_map(char::escape_debug)
        .collect();
    if command.is_empty() {
        format!("process {}", process.pid)
    } else {
        format!("process {} (`{command}`)", process.pid)
    }
}
