//! The SPIFFE Workload API (SPIFFE Workload API, SPIFFE Workload Endpoint) on a Unix socket that runs may reach.
//!
//! A caller is the run whose process tree it belongs to, as the kernel names it at `accept`; it presents nothing. Every
//! SVID it gets is a decision about its live task, renewals too; when the task ends the streams end.

mod authority;
mod caller;
mod message;
mod service;

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use remit_confine::peer;
use remit_core::limits::WORKLOADS_MAX;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::app::App;
use crate::paths::Paths;
use authority::Tolerant;
use caller::Caller;

/// How long the listener rests after it could not accept.
const REST: Duration = Duration::from_millis(50);
/// How often a silent connection is asked whether it still lives.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Takes the socket. What a crashed predecessor left is replaced.
///
/// # Errors
/// When it cannot be made.
pub fn bind(paths: &Paths) -> io::Result<UnixListener> {
    bind_at(&paths.workload_socket())
}

/// Takes a socket that runs may reach. What a crashed predecessor left is replaced.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn bind_at(socket: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(socket)?;
    fs::set_permissions(socket, Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until `stopping`.
pub async fn serve(app: Arc<App>, listener: UnixListener, mut stopping: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(WORKLOADS_MAX));
    let mut connections = JoinSet::new();
    loop {
        let place = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            Some(_) = connections.join_next() => continue,
            place = Arc::clone(&places).acquire_owned() => place,
        };
        let Ok(place) = place else { break };
        let accepted = tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => break,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "could not accept a workload");
                tokio::time::sleep(REST).await;
                continue;
            }
        };
        let app = Arc::clone(&app);
        connections.spawn(async move {
            let _place = place;
            connection(app, stream).await;
        });
    }
    // Dropping the set cuts what is left: a stream of SVIDs has no end of its own.
    let _ = fs::remove_file(app.paths.workload_socket());
}

async fn connection(app: Arc<App>, stream: UnixStream) {
    // Looked at right after `accept`, so that a pid that is given to another later means the process that connected.
    let caller = Arc::new(Caller::new(peer::examine(&stream)));
    let service = service_fn(move |request: http::Request<Incoming>| {
        let (app, caller) = (Arc::clone(&app), Arc::clone(&caller));
        async move { Ok::<_, std::convert::Infallible>(service::answer(app, caller, request).await) }
    });
    let served = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(Some(KEEP_ALIVE))
        .serve_connection(TokioIo::new(Tolerant::new(stream)), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a workload's connection broke off");
    }
}
