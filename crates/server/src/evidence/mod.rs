//! Evidence: reading the ledger, and proving that it is whole.

pub mod checkpoint;
pub mod export;
pub mod offline;
pub mod verify;

use std::sync::Arc;

use remit_core::id::{DecisionId, TaskId};
use remit_core::resource::Resource;
use remit_core::time::Timestamp;
use remit_ledger::record::Record;
use remit_store::records::{self, Key, StoredRecord};

use crate::app::{App, Failure};

/// Most records one look-up of `who` answers with.
const WHO_MAX: u32 = 50;

/// Records from `from` on, oldest first.
///
/// # Errors
/// [`Failure::Unavailable`] when they cannot be read, or one is not what was written.
pub async fn range(app: &Arc<App>, from: u64, limit: u32) -> Result<Vec<Record>, Failure> {
    read(app, move |conn| records::range(conn, from, limit)).await
}

/// Records of a task.
///
/// # Errors
/// As [`range`].
pub async fn of_task(app: &Arc<App>, task: TaskId, from: u64, limit: u32) -> Result<Vec<Record>, Failure> {
    let key = task.to_string();
    read(app, move |conn| {
        records::about(conn, &Key::Task(&key), from, limit)
    })
    .await
}

/// The latest records that touched a resource, or anything below it, at a moment: latest first.
///
/// # Errors
/// As [`range`].
pub async fn who(app: &Arc<App>, resource: Resource, at: Option<Timestamp>) -> Result<Vec<Record>, Failure> {
    let found = read(app, move |conn| {
        let before = match at {
            Some(at) => records::place_after(conn, at)?,
            None => u64::MAX >> 1,
        };
        records::latest(conn, &Key::Resource(&resource), before, WHO_MAX)
    });
    found.await
}

/// A decision and what became of it.
///
/// # Errors
/// [`Failure::NotFound`] when there is no such decision.
pub async fn of_decision(app: &Arc<App>, decision: DecisionId) -> Result<Vec<Record>, Failure> {
    let key = decision.to_string();
    let found = read(app, move |conn| records::about(conn, &Key::Decision(&key), 0, 16)).await?;
    if found.is_empty() {
        return Err(Failure::NotFound(format!("no decision `{decision}` is recorded")));
    }
    Ok(found)
}

async fn read<F>(app: &Arc<App>, look: F) -> Result<Vec<Record>, Failure>
where
    F: FnOnce(&mut remit_store::Conn) -> Result<Vec<StoredRecord>, remit_store::StoreError> + Send + 'static,
{
    app.store
        .read(move |conn| {
            let stored = look(conn)?;
            stored
                .iter()
                .map(|record| record.decode().map_err(Failure::from))
                .collect()
        })
        .await
}
