//! What can go wrong with stored state, and whose fault it is.

use crate::sql::DbError;

/// Stored state could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// The database: see [`DbError::kind`].
    #[error("the database failed: {0}")]
    Db(#[from] DbError),
    /// Somebody else wrote to the database. The row grants nothing.
    #[error(
        "row `{key}` of table `{table}` cannot be trusted: {why}; run `remit verify` and restore it from a backup"
    )]
    Tampered {
        /// The table.
        table: &'static str,
        /// The row's key; `*` = the table as a whole.
        key: String,
        /// What is wrong.
        why: &'static str,
    },
    /// The row is ours and yet unreadable: a defect, or written by a newer version.
    #[error("row `{key}` of table `{table}` cannot be read: {why}")]
    Malformed {
        /// The table.
        table: &'static str,
        /// The row's key.
        key: String,
        /// What is wrong.
        why: String,
    },
    /// The store has stopped, or is being stopped.
    #[error("the store is not available: {0}")]
    Unavailable(String),
}
