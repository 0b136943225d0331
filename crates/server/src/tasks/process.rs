//! Attesting a run: which process it is, and what its launcher really applied.

use std::sync::Arc;

use remit_core::confinement::{Confinement, Proof};
use remit_core::id::RunId;
use remit_store::runs::Process;

use crate::app::{App, Failure};
use crate::engine::{record, session};

/// The process that asks, as a run's: for runs that this very process drives.
///
/// # Errors
/// [`Failure::Unavailable`] when the kernel does not tell.
pub fn own() -> Result<Process, Failure> {
    let own = remit_confine::ProcessId::own().map_err(Failure::unavailable)?;
    Ok(Process {
        pid: own.pid.into(),
        started: i64::try_from(own.start_time).map_err(Failure::unavailable)?,
        uid: rustix::process::geteuid().as_raw().into(),
    })
}

/// Notes the process of a run and how well it is shut in; only once, and only while it has not ended.
///
/// # Errors
/// [`Failure::Conflict`] when the run has a process already: a second runtime of the same identity is refused.
pub async fn attest(
    app: &Arc<App>,
    run: RunId,
    process: Process,
    confinement: Confinement,
) -> Result<(), Failure> {
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::runs::get(conn, run)?))
        .await?;
    let stored = stored.ok_or_else(|| Failure::NotFound(format!("no run `{run}`")))?;
    if stored.ended_at.is_some() {
        return Err(Failure::Conflict(format!("run `{run}` has ended")));
    }
    if stored.process.is_some_and(|known| known != process) {
        return Err(Failure::Conflict(format!(
            "run `{run}` has a process already: a second one with its identity is refused"
        )));
    }
    let live = session::of_task(app, stored.run.task).await?;
    let mut entry = record::of_task("run.attest", &live.snapshot().task);
    entry.confinement = Some(confinement.as_str().to_owned());
    entry.detail.insert("pid", process.pid);
    let mut row = stored;
    row.run.confinement = confinement;
    row.process = Some(process);
    if row.proof == Proof::Bearer {
        row.proof = Proof::Peer;
    }
    let attested = row.value.clone();
    app.store
        .append(entry, move |tx| remit_store::runs::put(tx, &row))
        .await?;
    live.attested(&attested);
    session::reload(app, &live).await
}
