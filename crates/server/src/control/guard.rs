//! Who is asking: a process of this user that is no run and none of our servers, and that could read the capability.

use std::io;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::serve::IncomingStream;
use http::HeaderMap;
use remit_confine::ProcessId;
use remit_confine::peer::{self, Peer};
use tokio::net::UnixListener;

use super::Control;
use super::error::Refusal;
use super::socket::Capability;
use crate::app::{App, Failure};
use crate::tasks::token;

/// The header that carries the capability, in hexadecimal.
const CAPABILITY: &str = "remit-control";

/// The process at the other end, or why it cannot be told.
#[derive(Clone, Debug)]
pub(super) struct Caller(Arc<io::Result<Peer>>);

impl Connected<IncomingStream<'_, UnixListener>> for Caller {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(Arc::new(peer::examine(stream.io())))
    }
}

/// What the guard compares with.
#[derive(Clone)]
pub(super) struct Guard {
    pub control: Control,
    pub capability: Arc<Capability>,
}

/// Lets a request through, or refuses it.
pub(super) async fn check(
    State(guard): State<Guard>,
    ConnectInfo(caller): ConnectInfo<Caller>,
    mut request: Request,
    next: Next,
) -> Response {
    match admit(&guard, &caller, request.headers()).await {
        Ok(uid) => {
            request.extensions_mut().insert(Uid(uid));
            next.run(request).await
        }
        Err(failure) => {
            let pid = caller.0.as_ref().as_ref().ok().map(|peer| peer.id.pid);
            tracing::warn!(%failure, ?pid, "a caller was refused");
            Refusal(failure).into_response()
        }
    }
}

/// The user id of a caller that was let through.
#[derive(Clone, Copy, Debug)]
pub(super) struct Uid(pub u32);

async fn admit(guard: &Guard, caller: &Caller, headers: &HeaderMap) -> Result<u32, Failure> {
    let refused = |why: String| Failure::Forbidden(format!("control refuses this process: {why}"));
    let peer = caller.0.as_ref().as_ref();
    let peer = peer.map_err(|error| refused(format!("it cannot be told for sure who it is ({error})")))?;
    let own = rustix::process::geteuid().as_raw();
    if peer.uid != own && peer.uid != 0 {
        return Err(refused(format!("it belongs to user {}", peer.uid)));
    }
    if let Some(suspicion) = peer.suspicion(&run_processes(&guard.control.app).await?) {
        return Err(refused(suspicion.to_string()));
    }
    // Servers we started, whatever became of their link since.
    let us = ProcessId::own().map_err(Failure::unavailable)?;
    if peer.id != us && peer.ancestry.descends_from(&[us]).is_some() {
        return Err(refused("it was started by Remit for an agent".to_owned()));
    }
    let presented = headers.get(CAPABILITY).and_then(|value| value.to_str().ok());
    if presented.and_then(from_hex).is_some_and(|presented| {
        // In constant time: how much of a guess is right must not show.
        token::same(&presented, guard.capability.as_ref().as_ref())
    }) {
        return Ok(peer.uid);
    }
    Err(refused(format!(
        "it does not present the capability in `{}`",
        guard.control.app.paths.control_key().display()
    )))
}

/// The processes of all runs that have not ended.
async fn run_processes(app: &Arc<App>) -> Result<Vec<ProcessId>, Failure> {
    app.store
        .read_urgent(|conn| {
            let rows = conn
                .query(
                    "SELECT process FROM runs WHERE ended_at IS NULL AND process IS NOT NULL",
                    &[],
                )
                .map_err(remit_store::StoreError::from)?;
            let mut processes = Vec::new();
            for row in rows {
                let text = row.text(0).map_err(remit_store::StoreError::from)?;
                let process = remit_store::codec::read(text.as_bytes())
                    .and_then(|json| remit_store::codec::process_from_json(&json))
                    .map_err(Failure::unavailable)?;
                if let (Ok(pid), Ok(start_time)) = (process.pid.try_into(), process.started.try_into()) {
                    processes.push(ProcessId { pid, start_time });
                }
            }
            Ok(processes)
        })
        .await
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks_exact(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::from_hex;

    #[test]
    fn a_capability_is_read_from_hexadecimal() {
        assert_eq!(from_hex("00ff1a"), Some(vec![0, 255, 26]));
        for bad in ["0", "0g", "é0", "0x"] {
            assert_eq!(from_hex(bad), None, "{bad}");
        }
    }
}
