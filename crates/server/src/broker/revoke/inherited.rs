//! What an earlier process left: kept where that is possible, ended where it is not.

use std::sync::Arc;

use remit_core::id::LeaseId;
use remit_core::lease::{Lease, LeaseState};
use remit_store::leases::Change;

use crate::app::{App, Failure};
use crate::broker::minted::{self, MINTED};

/// Leases of an earlier process that one record ends.
const RECONCILED_AT_ONCE: usize = 500;

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
