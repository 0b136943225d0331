//! Looking at a database that nobody runs: read as it lies there, nothing made, migrated, locked or folded in.

use std::path::Path;
use std::sync::Arc;

use crate::open::OpenError;
use crate::row_key::RowKey;
use crate::sql::{APPLICATION_ID, Conn, Driver, Snapshot, Sqlite, Value};

/// A view of the database at `path`, a stopped engine's or a copy. `row_key` is needed for what checks rows that grant.
///
/// # Errors
/// [`OpenError`] when it is not there, not ours, or from a newer version.
pub fn look(path: &Path, row_key: RowKey) -> Result<Conn, OpenError> {
    let io = |source| OpenError::Io {
        path: path.to_owned(),
        source,
    };
    std::fs::File::open(path).map_err(io)?;
    let mut sqlite = Sqlite::open(path, true)?;
    sqlite.leave_log()?;
    match sqlite.pragma("PRAGMA application_id")? {
        Value::Int(APPLICATION_ID) => {}
        other => {
            let id = if let Value::Int(id) = other { id } else { 0 };
            return Err(OpenError::OtherApplication {
                path: path.to_owned(),
                id,
            });
        }
    }
    let mut conn = Conn::new(Driver::Sqlite(sqlite), Arc::new(row_key));
    crate::migrate::expect(&mut conn)?;
    conn.begin(Snapshot::Read)?;
    Ok(conn)
}
