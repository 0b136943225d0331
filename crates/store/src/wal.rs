//! SQLite's write-ahead log is copied into the database beside the commits, not by one of them.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::sql::{Conn, DbError, Driver, PAGE_BYTES, Sqlite, Value};

/// Copying starts when the log is this long, in bytes.
const START_BYTES: u64 = 16 << 20;
/// Pages that may be left for the writer to copy, so that the log starts over.
const LEFT_PAGES: i64 = 256;
/// How often the length is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// Runs until `stop` is set; then unpark it.
pub(crate) fn run(mut sqlite: Sqlite, wal: &Path, finish: &AtomicBool, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        std::thread::park_timeout(EVERY);
        let long = std::fs::metadata(wal).is_ok_and(|meta| meta.len() >= START_BYTES);
        if !long || finish.load(Ordering::Acquire) {
            continue;
        }
        // An error here is met again by the writer, which then stops.
        let Ok(rows) = sqlite.query("PRAGMA wal_checkpoint(PASSIVE)", &[]) else {
            continue;
        };
        let Some([_, Value::Int(length), Value::Int(copied)]) = rows.first().map(crate::sql::Row::values)
        else {
            continue;
        };
        let pages = i64::try_from(START_BYTES / PAGE_BYTES).unwrap_or(i64::MAX);
        if *length >= pages && length - copied <= LEFT_PAGES {
            finish.store(true, Ordering::Release);
        }
    }
}

/// Copies what is left, on the writer: when no reader is in the way the log starts over with the next commit.
pub(crate) fn checkpoint(conn: &mut Conn) -> Result<(), DbError> {
    match conn.driver() {
        Driver::Sqlite(sqlite) => sqlite.query("PRAGMA wal_checkpoint(PASSIVE)", &[]).map(drop),
        Driver::Postgres(_) => Ok(()),
    }
}
