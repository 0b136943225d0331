//! The full check of everything that grants: slow, complete, for `verify` and for a job at night.

use crate::error::StoreError;
use crate::head::Head;
use crate::sql::Conn;
use crate::tables::ALL;

/// Every row of every table that grants, and every table as a whole. Empty when nothing is wrong; else all that is.
///
/// # Errors
/// [`StoreError::Db`] when the database cannot be read, [`StoreError::Tampered`] when its head is not ours.
pub fn check_rows(conn: &mut Conn) -> Result<Vec<StoreError>, StoreError> {
    let head = Head::load(conn)?.unwrap_or_else(Head::empty);
    let mut found = Vec::new();
    for table in ALL {
        if let Err(error) = table.complete(conn, head.sum(table.slot())) {
            found.push(error);
        }
        found.extend(table.check_all(conn)?);
    }
    Ok(found)
}
