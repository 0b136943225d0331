//! Leases as they are issued: a row first, tied to the open task it dies with.

use std::sync::Arc;

use remit_core::id::LeaseId;
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_ledger::record::Record;
use remit_store::leases::Change;
use remit_store::{AppendError, Refused};

use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::record;

/// What is planned.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub system: Name,
    pub backend: Name,
    pub handle: String,
    pub class: LeaseClass,
    /// Never later than the task's own end, but for what outlives it.
    pub expires_at: Timestamp,
    /// The backend may make it for longer than the task is open.
    pub outlives_task: bool,
}

/// Records a lease before anybody is asked for it. The task must be open; a credential that never leaves us is live at once.
pub(super) async fn plan(
    app: &Arc<App>,
    live: &Arc<Live>,
    id: LeaseId,
    plan: Plan,
) -> Result<Lease, Failure> {
    let snapshot = live.snapshot();
    let task = &snapshot.task;
    let lease = Lease {
        id,
        task: task.id,
        run: task.run,
        system: plan.system,
        backend: plan.backend,
        handle: plan.handle,
        class: plan.class,
        state: if plan.class == LeaseClass::R0 {
            LeaseState::Live
        } else {
            LeaseState::Planned
        },
        planned_at: app.clock.now(),
        ended_at: None,
        expires_at: if plan.outlives_task {
            plan.expires_at
        } else {
            plan.expires_at.min(task.expires_at)
        },
    };
    let mut entry = record::of_live("lease.plan", live);
    about(&mut entry, &lease);
    let row = lease.clone();
    app.store
        .append(entry, move |tx| {
            remit_store::tasks::expect_open(tx, row.task)?;
            remit_store::leases::plan(tx, &row)
        })
        .await?;
    Ok(lease)
}

/// Records that the backend made it, and keeps what it is, sealed, where that is needed to end it. False when the task
/// ended meanwhile: it is to be revoked, not used.
pub(super) async fn confirm(
    app: &Arc<App>,
    lease: &mut Lease,
    change: Change,
    kept: Option<Vec<u8>>,
) -> Result<bool, Failure> {
    lease.state = LeaseState::Live;
    if let Some(handle) = &change.handle {
        lease.handle.clone_from(handle);
    }
    if let Some(expires_at) = change.expires_at {
        lease.expires_at = expires_at;
    }
    let mut entry = record::of("lease.live");
    about(&mut entry, lease);
    let (id, task) = (lease.id, lease.task);
    let confirmed = app
        .store
        .append(entry, move |tx| {
            remit_store::tasks::expect_open(tx, task)?;
            let live = remit_store::leases::step(tx, id, LeaseState::Live, &change)?;
            if let Some(kept) = kept.as_ref().filter(|_| live) {
                remit_store::leases::keep_value(tx, id, kept)?;
            }
            Ok(live)
        })
        .await;
    match confirmed {
        Ok((_, live)) => Ok(live),
        Err(AppendError::Refused(Refused::NotOpen { .. } | Refused::NotAllowed(_))) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Keeps what a credential is, sealed, of a lease that was not confirmed: it is ended by showing it.
pub(super) async fn keep(app: &Arc<App>, lease: &Lease, sealed: Vec<u8>) -> Result<(), Failure> {
    let mut entry = record::of("lease.keep");
    about(&mut entry, lease);
    let id = lease.id;
    app.store
        .append(entry, move |tx| remit_store::leases::keep_value(tx, id, &sealed))
        .await?;
    Ok(())
}

/// Records one step towards the end.
pub(super) async fn step(
    app: &Arc<App>,
    lease: &Lease,
    to: LeaseState,
    change: Change,
    why: &str,
) -> Result<(), Failure> {
    let mut entry = record::of(match to {
        LeaseState::Revoking => "lease.revoke",
        LeaseState::Fading => "lease.fading",
        LeaseState::Expired => "lease.expired",
        LeaseState::Dead | LeaseState::Planned | LeaseState::Live => "lease.dead",
    });
    about(&mut entry, lease);
    if !why.is_empty() {
        entry.detail.insert("why", why);
    }
    let id = lease.id;
    app.store
        .append(entry, move |tx| remit_store::leases::step(tx, id, to, &change))
        .await?;
    Ok(())
}

/// The parts of a record that say which lease it is about.
pub(super) fn about(entry: &mut Record, lease: &Lease) {
    entry.task = Some(lease.task.to_string());
    entry.run = Some(lease.run.to_string());
    entry.detail.insert("lease", lease.id.to_string());
    entry.detail.insert("system", lease.system.as_str());
    entry.detail.insert("backend", lease.backend.as_str());
    entry.detail.insert("class", lease.class.as_str());
    entry.detail.insert("name", lease.handle.as_str());
    entry.detail.insert("expires_at", lease.expires_at.to_string());
}
