//! Who calls: the run whose process tree the peer of the socket belongs to.

use std::io;
use std::sync::Arc;

use remit_confine::ProcessId;
use remit_confine::connection::tree;
use remit_confine::peer::Peer;
use remit_store::runs::{Process, StoredRun};
use tonic::Status;

use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::session;

/// The process at the other end.
#[derive(Debug)]
pub(super) struct Caller(io::Result<Peer>);

impl Caller {
    pub(super) const fn new(peer: io::Result<Peer>) -> Self {
        Self(peer)
    }

    /// The live run it belongs to, looked up anew for every request: a run may end, a pid may be somebody else's.
    ///
    /// # Errors
    /// `PermissionDenied` when it belongs to none (SPIFFE Workload API, 5.2); `Unavailable` when it cannot be told.
    pub(super) async fn run(&self, app: &Arc<App>) -> Result<Arc<Live>, Status> {
        let peer = self.0.as_ref().map_err(|_| nobody())?;
        if !peer.id.is_alive() {
            return Err(nobody());
        }
        let unavailable = |failure: Failure| Status::unavailable(failure.to_string());
        let processes: Vec<Process> = peer
            .ancestry
            .line()
            .iter()
            .map(|id| process(*id, peer.uid))
            .collect();
        let direct = app.store.read(move |conn| -> Result<_, Failure> {
            for process in processes {
                if let Some(run) = remit_store::runs::by_process(conn, process)?.into_iter().next() {
                    return Ok(Some(run.value));
                }
            }
            Ok(None)
        });
        let run = match direct.await.map_err(unavailable)? {
            Some(run) => run,
            // It left its line of ancestors, or another user started the run.
            None => search(app, peer.id)
                .await
                .map_err(unavailable)?
                .ok_or_else(nobody)?,
        };
        session::of_task(app, run.run.task).await.map_err(unavailable)
    }
}

fn nobody() -> Status {
    Status::permission_denied("no identity: the caller belongs to no live run that was started here")
}

fn process(id: ProcessId, uid: u32) -> Process {
    Process {
        pid: i64::from(id.pid),
        started: i64::try_from(id.start_time).unwrap_or(i64::MAX),
        uid: i64::from(uid),
    }
}

async fn search(app: &Arc<App>, caller: ProcessId) -> Result<Option<StoredRun>, Failure> {
    let runs = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::runs::with_process(conn)?))
        .await?;
    let found = tokio::task::spawn_blocking(move || {
        runs.into_iter().map(|stored| stored.value).find(|run| {
            let first = run.process.and_then(|process| {
                Some(ProcessId {
                    pid: process.pid.try_into().ok()?,
                    start_time: process.started.try_into().ok()?,
                })
            });
            first.is_some_and(|first| tree(first).is_ok_and(|members| members.contains(&caller)))
        })
    });
    found.await.map_err(Failure::unavailable)
}
