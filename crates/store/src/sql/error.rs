//! What a database can answer instead of rows.

/// An error of the database, sorted by what can be done about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DbError {
    kind: DbErrorKind,
    message: String,
}

/// What can be done about a [`DbError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DbErrorKind {
    /// A unique, check or foreign key constraint said no: the statement is at fault.
    Constraint,
    /// No room on the disk; nothing was written.
    Full,
    /// Another transaction was in the way; running it again may help.
    Conflict,
    /// A column holds another type than the code expects.
    Shape,
    /// The disk, the connection or the server failed: what was being written may or may not be there.
    Lost,
    /// Anything else, a defect of ours among them.
    Other,
}

impl DbError {
    pub(crate) fn new(kind: DbErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    /// What can be done about it.
    #[must_use]
    pub const fn kind(&self) -> DbErrorKind {
        self.kind
    }
}
