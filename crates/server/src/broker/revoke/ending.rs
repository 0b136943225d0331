//! The work of one lane: what is due, from the oldest on, in batches, until there is no more.

use std::sync::Arc;

use remit_core::id::LeaseId;
use remit_core::lease::{Lease, LeaseState};
use remit_core::name::Name;
use remit_store::leases::Change;

use super::lanes::{Lane, Worker};
use super::{later, roles};
use crate::app::{App, Failure};
use crate::broker::backends::{self, Ended};
use crate::broker::databases::sessions::POSTGRESQL;
use crate::broker::leases;
use crate::broker::minted::{self, MINTED};

/// Rows read at a time while looking for what is due.
const PAGE: u32 = 500;
/// Logins taken away at once.
const CUT_AT_ONCE: usize = 2000;
/// Credentials of other backends ended at once: each is a request or more.
const ENDED_AT_ONCE: usize = 100;

/// Ends what is due in the worker's lane.
///
/// # Errors
/// [`Failure`] when the backend did nothing of what it was asked.
pub(super) async fn all(worker: &Worker) -> Result<(), Failure> {
    let app = &worker.app;
    let (place, most) = match &worker.lane {
        Lane::Cut(system) => (
            (POSTGRESQL.parse().map_err(Failure::unavailable)?, system.clone()),
            CUT_AT_ONCE,
        ),
        Lane::End(backend, system) => ((backend.clone(), system.clone()), ENDED_AT_ONCE),
        Lane::Orphans(_) => return Ok(()),
    };
    let mut after = None;
    loop {
        let batch = due(worker, &place, &mut after, most).await?;
        if batch.is_empty() {
            return Ok(());
        }
        let ended = match &worker.lane {
            Lane::Cut(system) => cut(app, system, &batch).await,
            _ => end(app, &place, &batch).await,
        };
        if let Err(failure) = ended {
            let why = failure.to_string();
            for lease in &batch {
                later(app, lease, &why, true);
            }
            return Err(failure);
        }
    }
}

/// Up to `most` leases of the lane that are due, after `after`, which moves on.
async fn due(
    worker: &Worker,
    place: &(Name, Name),
    after: &mut Option<LeaseId>,
    most: usize,
) -> Result<Vec<Lease>, Failure> {
    let app = &worker.app;
    let is_cut = |lease: &Lease| app.broker.lanes.is_cut(lease.id);
    let mut due = Vec::new();
    loop {
        let (of, from) = (place.clone(), *after);
        let page = app
            .store
            .read(move |conn| {
                let found = remit_store::leases::revoking(conn, (&of.0, &of.1), from, PAGE)?;
                Ok::<_, Failure>(found)
            })
            .await?;
        if page.is_empty() {
            return Ok(due);
        }
        let now = app.clock.boot();
        for lease in page {
            *after = Some(lease.id);
            let is_here = match &worker.lane {
                Lane::Cut(_) => !is_cut(&lease.value),
                // What cannot sign in any more is removed; nothing before.
                Lane::End(backend, _) => backend.as_str() != POSTGRESQL || is_cut(&lease.value),
                Lane::Orphans(_) => false,
            };
            let free = !app.broker.making.is_making(lease.id);
            if is_here && free && app.broker.lanes.is_due(lease.id, now) {
                due.push(lease.value);
                if due.len() >= most {
                    return Ok(due);
                }
            }
        }
    }
}

async fn cut(app: &Arc<App>, database: &Name, batch: &[Lease]) -> Result<(), Failure> {
    let open = roles::cut(app, database, batch).await?;
    let now = app.clock.boot();
    for lease in batch {
        if open.contains(&lease.handle) {
            later(
                app,
                lease,
                "it can still sign in, or has a session that does not end",
                false,
            );
        } else {
            app.broker.lanes.was_cut(lease.id, now);
        }
    }
    app.broker.work.notify_one();
    Ok(())
}

/// Ends the leases of one backend and says which are dead.
async fn end(app: &Arc<App>, (backend, system): &(Name, Name), batch: &[Lease]) -> Result<(), Failure> {
    let ended = match backend.as_str() {
        POSTGRESQL => roles::remove(app, system, batch).await?,
        MINTED => minted::end(app, batch).await,
        other => backends::end(app, other, batch).await?,
    };
    let settling = batch
        .iter()
        .zip(&ended)
        .map(|(lease, ended)| settle(app, lease, ended));
    futures_util::future::join_all(settling).await;
    if ended.iter().all(|ended| matches!(ended, Ended::Lives(_))) {
        return Err(Failure::Unavailable(format!(
            "none of {} credentials could be ended",
            batch.len()
        )));
    }
    Ok(())
}

async fn settle(app: &Arc<App>, lease: &Lease, ended: &Ended) {
    let (to, how) = match ended {
        Ended::Dead(how) => (LeaseState::Dead, *how),
        Ended::Fading => (
            LeaseState::Fading,
            "nothing takes it back: it ends by its own expiry",
        ),
        Ended::Lives(why) => return later(app, lease, why, false),
    };
    app.broker.forget(&format!("lease/{}", lease.id));
    match leases::step(app, lease, to, Change::default(), how).await {
        Ok(()) => app.broker.lanes.done(lease.id),
        // It is so all the same; the next sweep finds so again and records it.
        Err(failure) => {
            tracing::warn!(lease = %lease.id, %failure, "the end of a lease could not be recorded");
        }
    }
}
