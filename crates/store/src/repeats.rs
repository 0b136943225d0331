//! Repeats: how often it became known what came of a request that a system takes twice only once. Its idempotency key is
//! derived from that count, so it stays the same, also after a crash, for as long as nobody knows.

use remit_core::digest::Digest;
use remit_core::id::TaskId;

use crate::append::{ApplyError, Tx};
use crate::error::StoreError;
use crate::sql::{Conn, Value};
use crate::stored::Columns;
use crate::tables::REPEATS;

/// How often the outcome of this request of a task became known.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn settled(conn: &mut Conn, task: TaskId, request: Digest) -> Result<u64, StoreError> {
    Ok(load(conn, task, request)?.map_or(0, |(settled, _)| settled))
}

/// It is known what came of the request that was made when `before` of them were known; said again it counts once.
///
/// # Errors
/// [`ApplyError`] when the row is not ours, or cannot be written.
pub fn settle(tx: &mut Tx<'_>, task: TaskId, request: Digest, before: u64) -> Result<(), ApplyError> {
    let known = load(tx, task, request)?;
    if known.map_or(0, |(settled, _)| settled) != before {
        return Ok(());
    }
    // With its task everything is over.
    if crate::tasks::expect_open(tx, task).is_err() {
        return Ok(());
    }
    let after = i64::try_from(before.saturating_add(1)).unwrap_or(i64::MAX);
    let values: [Value<'_>; 3] = [task.to_string().into(), request.to_string().into(), after.into()];
    match known {
        None => REPEATS.insert(tx, &values).map(drop),
        Some((_, changed)) => REPEATS.update(tx, &values, changed),
    }
}

fn load(conn: &mut Conn, task: TaskId, request: Digest) -> Result<Option<(u64, i64)>, StoreError> {
    let key: [Value<'_>; 2] = [task.to_string().into(), request.to_string().into()];
    let row = REPEATS.get(conn, &key)?;
    row.map(|row| Ok((Columns::of(&REPEATS, &row).int(2)?.unsigned_abs(), row.changed)))
        .transpose()
}

/// Counts of an ended task are not needed any more.
pub(crate) fn forget(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    let id = task.to_string();
    let rows = tx.query("SELECT request FROM repeats WHERE task = $1", &[(&id).into()])?;
    for row in rows {
        REPEATS.delete(tx, &[(&id).into(), row.text(0)?.into()])?;
    }
    Ok(())
}
