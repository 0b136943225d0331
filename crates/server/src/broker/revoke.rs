//! Revocation: what must die is taken back, looked for, and only then called dead. Every step may be repeated; a backend
//! that is away is asked again for as long as it takes, loudly, and holds nobody else up.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_broker::backend::postgresql;
use remit_core::id::LeaseId;
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_core::time::BootTime;
use remit_store::leases::{Change, Counts};
use tokio::sync::watch;

use super::backends::{self, Ended};
use super::databases::sessions::{self, POSTGRESQL};
use super::leases;
use super::minted::{self, MINTED};
use crate::app::{App, Failure};

/// How often there is a look without being called.
const SWEEP: Duration = Duration::from_millis(1000);
/// Leases taken at once, over all backends.
const AT_ONCE: u32 = 2000;
/// Leases of an earlier process that one record ends.
const RECONCILED_AT_ONCE: usize = 500;
/// Longest wait between two tries.
const WAIT_MAX_MS: u64 = 60_000;
/// A lease that has been dying for longer is stuck: somebody has to look.
pub const STUCK_MS: i64 = 60_000;

/// When to try again what did not work.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    tries: Mutex<HashMap<LeaseId, (u32, BootTime)>>,
}

impl Patience {
    fn is_due(&self, lease: LeaseId, now: BootTime) -> bool {
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.get(&lease).is_none_or(|(_, next)| *next <= now)
    }

    /// Waits twice as long as the last time, up to the most.
    fn later(&self, lease: LeaseId, now: BootTime) -> u32 {
        let mut all = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let (tries, next) = all.entry(lease).or_insert((0, now));
        *tries = tries.saturating_add(1);
        let wait = 250_u64.saturating_mul(1 << (*tries).min(10)).min(WAIT_MAX_MS);
        *next = now.plus_ms(wait);
        *tries
    }

    fn done(&self, lease: LeaseId) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.remove(&lease);
    }
}

/// How often ending a lease was tried in vain.
#[must_use]
pub fn tries(app: &App, lease: LeaseId) -> u32 {
    let tries = app
        .broker
        .patience
        .tries
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    tries.get(&lease).map_or(0, |(tries, _)| *tries)
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

/// Runs until the app stops.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            () = app.broker.work.notified() => {}
            () = tokio::time::sleep(SWEEP) => {}
        }
        if let Err(failure) = sweep(&app).await {
            tracing::warn!(%failure, "leases could not be looked at");
        }
    }
}

/// One sweep: each backend on its own, so that one that hangs holds up nobody.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn sweep(app: &Arc<App>) -> Result<(), Failure> {
    expire(app).await?;
    let boot = app.clock.boot();
    let dying = app
        .store
        .read(|conn| {
            Ok::<_, Failure>(remit_store::leases::in_state(
                conn,
                LeaseState::Revoking,
                None,
                AT_ONCE,
            )?)
        })
        .await?;
    let mut groups: BTreeMap<(Name, Name), Vec<Lease>> = BTreeMap::new();
    for lease in dying {
        if app.broker.patience.is_due(lease.id, boot) && !app.broker.making.is_making(lease.id) {
            groups
                .entry((lease.backend.clone(), lease.system.clone()))
                .or_default()
                .push(lease.value);
        }
    }
    let working = groups
        .into_iter()
        .map(|((backend, system), leases)| end(app, backend, system, leases));
    futures_util::future::join_all(working).await;
    Ok(())
}

/// Ends the leases of one backend and says which are dead.
async fn end(app: &Arc<App>, backend: Name, system: Name, group: Vec<Lease>) {
    let ended = match backend.as_str() {
        POSTGRESQL => roles(app, &system, &group).await,
        MINTED => Ok(minted::end(app, &group).await),
        other => backends::end(app, other, &group).await,
    };
    let ended = ended.unwrap_or_else(|failure| vec![Ended::Lives(failure.to_string()); group.len()]);
    let settling = group
        .iter()
        .zip(ended)
        .map(|(lease, ended)| settle(app, lease, ended));
    futures_util::future::join_all(settling).await;
}

async fn settle(app: &Arc<App>, lease: &Lease, ended: Ended) {
    let (to, how) = match ended {
        Ended::Dead(how) => (LeaseState::Dead, how),
        Ended::Fading => (
            LeaseState::Fading,
            "nothing takes it back: it ends by its own expiry",
        ),
        Ended::Lives(why) => return later(app, lease, &why),
    };
    app.broker.forget(&format!("lease/{}", lease.id));
    match leases::step(app, lease, to, Change::default(), how).await {
        Ok(()) => app.broker.patience.done(lease.id),
        // It is so all the same; the next sweep finds so again and records it.
        Err(failure) => {
            tracing::warn!(lease = %lease.id, %failure, "the end of a lease could not be recorded");
        }
    }
}

fn later(app: &App, lease: &Lease, why: &str) {
    let tries = app.broker.patience.later(lease.id, app.clock.boot());
    if lease.dying_ms(app.clock.now()).is_some_and(|ms| ms > STUCK_MS) {
        tracing::error!(lease = %lease.id, system = %lease.system, tries, why, "a credential could not be ended yet: possibly live");
    } else {
        tracing::warn!(lease = %lease.id, system = %lease.system, tries, why, "a credential could not be ended yet");
    }
}

/// Roles of one database: all logins first, because that is what closes the door; then what they own, then the proof.
async fn roles(app: &Arc<App>, database: &Name, group: &[Lease]) -> Result<Vec<Ended>, Failure> {
    let names: Vec<String> = group.iter().map(|lease| lease.handle.clone()).collect();
    let slot = app.broker.sessions.of_house(database);
    let mut admin = slot.lock().await;
    sessions::house(app, database, &mut admin, None).await?;
    let Some(session) = admin.as_ref() else {
        return Err(Failure::Unavailable("the session is gone".to_owned()));
    };
    postgresql::cut(session, &names)
        .await
        .map_err(Failure::unavailable)?;
    let removed = postgresql::remove(session, &names).await;
    let living = postgresql::prove(session, &names)
        .await
        .map_err(Failure::unavailable)?;
    if let Err(error) = removed {
        tracing::warn!(%database, %error, "not every role of an ended task could be dropped; none can sign in");
    }
    Ok(group
        .iter()
        .map(|lease| {
            if living.contains(&lease.handle) {
                Ended::Lives("it still lives".to_owned())
            } else {
                Ended::Dead("probed dead")
            }
        })
        .collect())
}

/// What only expiry ends is over when it has passed.
async fn expire(app: &Arc<App>) -> Result<(), Failure> {
    let now = app.clock.now();
    let outlived = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::leases::outlived(conn, now, AT_ONCE)?))
        .await?;
    for lease in outlived {
        let (to, why) = match lease.state {
            LeaseState::Fading => (LeaseState::Expired, ""),
            // It is over by its own clock; whether it is gone is looked at all the same.
            LeaseState::Live if lease.class != LeaseClass::R0 => (LeaseState::Revoking, "its life is over"),
            _ => continue,
        };
        leases::step(app, &lease.value, to, Change::default(), why).await?;
    }
    Ok(())
}

/// What an earlier process held or had planned. Read before anybody is served; what was minted for tasks leads back from
/// then on.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn inherited(app: &Arc<App>) -> Result<Vec<Lease>, Failure> {
    let held = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::leases::held(conn)?))
        .await?;
    // What an upstream minted for a task is kept: the agent holds its placeholder.
    let is_minted = |lease: &Lease| lease.backend.as_str() == MINTED && lease.state == LeaseState::Live;
    let (minted, held): (Vec<Lease>, Vec<Lease>) =
        held.into_iter().map(|lease| lease.value).partition(is_minted);
    for lease in &minted {
        if let Err(failure) = minted::restore(app, lease).await {
            tracing::error!(lease = %lease.id, %failure, "what was minted for a task cannot be opened");
        }
    }
    Ok(held)
}

/// After a start: what an earlier process held cannot be presented any more, and what it planned may exist. All of it is
/// ended.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub async fn reconcile(app: &Arc<App>, inherited: Vec<Lease>) -> Result<usize, Failure> {
    for some in inherited.chunks(RECONCILED_AT_ONCE) {
        let mut entry = crate::engine::record::of("lease.reconcile");
        entry.detail.insert("why", "held by an earlier process");
        let names: Vec<remit_core::json::Value> =
            some.iter().map(|lease| lease.id.to_string().into()).collect();
        entry.detail.insert("leases", names);
        let ids: Vec<LeaseId> = some.iter().map(|lease| lease.id).collect();
        app.store
            .append(entry, move |tx| {
                ids.iter().try_for_each(|id| {
                    remit_store::leases::step(tx, *id, LeaseState::Revoking, &Change::default()).map(drop)
                })
            })
            .await?;
        app.broker.work.notify_one();
    }
    Ok(inherited.len())
}

/// Ends credentials of ours at the backends that can list them, which no open lease knows. What cannot be looked for now is
/// said, and holds nobody up.
pub async fn sweep_all_orphans(app: &Arc<App>) {
    let databases = app.config.databases.keys().map(|name| (name, true));
    let credentials = app.config.credentials.keys().map(|name| (name, false));
    for (name, is_database) in databases.chain(credentials) {
        let Ok(name) = name.parse::<Name>() else { continue };
        let swept = if is_database {
            sweep_orphans(app, &name).await
        } else {
            backends::sweep_orphans(app, &name).await
        };
        if let Err(failure) = swept {
            tracing::warn!(%name, %failure, "credentials without a lease could not be looked for");
        }
    }
}

/// Ends roles of ours in a database that no open lease knows.
///
/// # Errors
/// [`Failure::Unavailable`] when the database is away.
pub async fn sweep_orphans(app: &Arc<App>, database: &Name) -> Result<usize, Failure> {
    let slot = app.broker.sessions.of_house(database);
    let mut admin = slot.lock().await;
    sessions::house(app, database, &mut admin, None).await?;
    let Some(session) = admin.as_ref() else {
        return Err(Failure::Unavailable("the session is gone".to_owned()));
    };
    let there = postgresql::list(session, &app.broker.role_prefix())
        .await
        .map_err(Failure::unavailable)?;
    let known = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::leases::open(conn)?))
        .await?;
    let orphans: Vec<String> = there
        .into_iter()
        .filter(|role| !known.iter().any(|lease| lease.handle == *role))
        .collect();
    if orphans.is_empty() {
        return Ok(0);
    }
    let mut entry = crate::engine::record::of("lease.orphans");
    entry.detail.insert("system", database.as_str());
    let names: Vec<remit_core::json::Value> = orphans.iter().map(|role| role.as_str().into()).collect();
    entry.detail.insert("names", names);
    app.store.append(entry, |_| Ok(())).await?;
    postgresql::cut(session, &orphans)
        .await
        .map_err(Failure::unavailable)?;
    postgresql::remove(session, &orphans)
        .await
        .map_err(Failure::unavailable)?;
    Ok(orphans.len())
}
