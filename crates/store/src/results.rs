//! Results kept for redemption: sealed by the server for one run, gone when the task ends.

use remit_core::id::{CallId, RunId, TaskId};

use crate::append::{ApplyError, Tx};
use crate::error::StoreError;
use crate::sql::Conn;

/// Keeps a sealed result; the first one stays.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn keep(
    tx: &mut Tx<'_>,
    call: CallId,
    task: TaskId,
    run: RunId,
    sealed: &[u8],
) -> Result<(), ApplyError> {
    tx.execute(
        "INSERT INTO results (call, task, run, sealed) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        &[
            call.to_string().into(),
            task.to_string().into(),
            run.to_string().into(),
            sealed.into(),
        ],
    )?;
    Ok(())
}

/// The sealed result of a call, for the run it belongs to.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn get(conn: &mut Conn, call: CallId, run: RunId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = conn.query_opt(
        "SELECT sealed FROM results WHERE call = $1 AND run = $2",
        &[call.to_string().into(), run.to_string().into()],
    )?;
    Ok(row.map(|row| row.bytes(0).map(<[u8]>::to_vec)).transpose()?)
}

/// Remembers that a result reached the agent; the first time counts.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn deliver(tx: &mut Tx<'_>, call: CallId) -> Result<(), ApplyError> {
    let seq = tx.seq();
    tx.execute(
        "UPDATE results SET delivered = $2 WHERE call = $1 AND delivered IS NULL",
        &[call.to_string().into(), seq.into()],
    )?;
    Ok(())
}

/// True when the result of a call reached the agent: the identical call is a new one.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn is_delivered(conn: &mut Conn, call: CallId) -> Result<bool, StoreError> {
    let row = conn.query_opt(
        "SELECT delivered FROM results WHERE call = $1 AND delivered IS NOT NULL",
        &[call.to_string().into()],
    )?;
    Ok(row.is_some())
}

/// Forgets the results of a task that ends.
pub(crate) fn forget(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    tx.execute("DELETE FROM results WHERE task = $1", &[task.to_string().into()])?;
    Ok(())
}
