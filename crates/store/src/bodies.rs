//! Bodies of held requests: sealed by the server under the task's key, gone when the task ends.

use remit_core::id::{CallId, TaskId};

use crate::append::{ApplyError, Tx};
use crate::error::StoreError;
use crate::sql::Conn;

/// Keeps a sealed body beside its call.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn keep(tx: &mut Tx<'_>, call: CallId, task: TaskId, sealed: &[u8]) -> Result<(), ApplyError> {
    tx.execute(
        "INSERT INTO bodies (call, task, sealed) VALUES ($1, $2, $3)",
        &[call.to_string().into(), task.to_string().into(), sealed.into()],
    )?;
    Ok(())
}

/// The sealed body of a call.
///
/// # Errors
/// [`StoreError`] when it cannot be read.
pub fn get(conn: &mut Conn, call: CallId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = conn.query_opt(
        "SELECT sealed FROM bodies WHERE call = $1",
        &[call.to_string().into()],
    )?;
    Ok(row.map(|row| row.bytes(0).map(<[u8]>::to_vec)).transpose()?)
}

/// Forgets the bodies of a task that ends.
pub(crate) fn forget(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    tx.execute("DELETE FROM bodies WHERE task = $1", &[task.to_string().into()])?;
    Ok(())
}
