//! Revocation: what must die is taken back, looked for, and only then called dead. Every step may be repeated; a backend
//! that is away is asked again for as long as it takes, loudly, and holds nobody else up.

mod ending;
mod inherited;
mod lanes;
mod orphans;
mod roles;

use std::sync::Arc;
use std::time::Duration;

use remit_core::id::LeaseId;
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_store::leases::{Change, Counts};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub use inherited::{inherited, reconcile};
pub(crate) use lanes::Lanes;
use lanes::{Lane, Worker};
pub use orphans::search_all;

use super::databases::sessions::POSTGRESQL;
use super::leases;
use crate::app::{App, Failure};

/// How often there is a look without being called.
const SWEEP: Duration = Duration::from_millis(1000);
/// Leases whose own life is over that one sweep takes up.
const OUTLIVED_AT_ONCE: u32 = 2000;
/// A lease that has been dying for longer is stuck: somebody has to look.
pub const STUCK_MS: i64 = 60_000;

/// How often ending a lease was tried in vain.
#[must_use]
pub fn tries(app: &App, lease: LeaseId) -> u32 {
    app.broker.lanes.tries(lease)
}

/// How many leases stand in each state that is not over.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn counts(app: &App) -> Result<Counts, Failure> {
    let since = app.clock.now().plus_ms(-STUCK_MS);
    app.store
        .read(move |conn| Ok::<_, Failure>(remit_store::leases::counts(conn, since)?))
        .await
}

/// Runs until the app stops; the workers stop with it.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut working = JoinSet::new();
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            () = app.broker.work.notified() => {}
            () = tokio::time::sleep(SWEEP) => {}
            Some(_) = working.join_next() => continue,
        }
        if let Err(failure) = begin(&app, &mut working).await {
            tracing::warn!(%failure, "leases could not be looked at");
        }
    }
}

/// One sweep, until everybody who began to work in it has done what is due.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn sweep(app: &Arc<App>) -> Result<(), Failure> {
    let mut working = JoinSet::new();
    begin(app, &mut working).await?;
    while working.join_next().await.is_some() {}
    Ok(())
}

/// Starts a worker in each lane where something is due and nobody works. Waits for none of them.
async fn begin(app: &Arc<App>, working: &mut JoinSet<()>) -> Result<(), Failure> {
    if let Err(failure) = expire(app).await {
        tracing::warn!(%failure, "leases whose life is over could not be looked at");
    }
    let places = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::leases::revoking_at(conn)?))
        .await?;
    let mut lanes = Vec::new();
    for (backend, system) in places {
        if backend.as_str() == POSTGRESQL {
            lanes.push(Lane::Cut(system.clone()));
        }
        lanes.push(Lane::End(backend, system));
    }
    lanes.extend(app.broker.lanes.unsearched().into_iter().map(Lane::Orphans));
    for lane in lanes {
        if let Some(worker) = Lanes::enter(app, lane) {
            working.spawn(work(worker));
        }
    }
    Ok(())
}

async fn work(worker: Worker) {
    let done = match &worker.lane {
        Lane::Orphans(name) => orphans::search(&worker.app, name).await,
        Lane::Cut(_) | Lane::End(..) => ending::all(&worker).await,
    };
    let failures = worker.found(done.is_err());
    if let Err(failure) = done {
        tracing::warn!(lane = ?worker.lane, failures, %failure, "credentials could not be ended here yet; others are not held up");
    }
}

fn later(app: &App, lease: &Lease, why: &str, whole_lane: bool) {
    let tries = app.broker.lanes.later(lease.id, app.clock.boot(), whole_lane);
    if lease.dying_ms(app.clock.now()).is_some_and(|ms| ms > STUCK_MS) {
        tracing::error!(lease = %lease.id, system = %lease.system, tries, why, "a credential could not be ended yet: possibly live");
    } else {
        tracing::warn!(lease = %lease.id, system = %lease.system, tries, why, "a credential could not be ended yet");
    }
}

/// What only expiry ends is over when it has passed.
async fn expire(app: &Arc<App>) -> Result<(), Failure> {
    let now = app.clock.now();
    let outlived = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::leases::outlived(conn, now, OUTLIVED_AT_ONCE)?))
        .await?;
    let steps = outlived.iter().filter_map(|lease| {
        let (to, why) = match lease.state {
            LeaseState::Fading => (LeaseState::Expired, ""),
            // It is over by its own clock; whether it is gone is looked at all the same.
            LeaseState::Live if lease.class != LeaseClass::R0 => (LeaseState::Revoking, "its life is over"),
            _ => return None,
        };
        Some(leases::step(app, &lease.value, to, Change::default(), why))
    });
    let done = futures_util::future::join_all(steps).await;
    done.into_iter().collect()
}
