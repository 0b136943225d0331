//! Planted faults: a statement that fails although it worked, or fails because it did not.

use std::sync::Mutex;

use super::{DbError, DbErrorKind};

/// One fault, planted once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    /// What the statement starts with.
    pub statement: &'static str,
    /// It was done all the same.
    pub persisted: bool,
    pub kind: DbErrorKind,
}

/// The fault that waits to strike.
#[derive(Default)]
pub(crate) struct Faults(pub(crate) Mutex<Option<Fault>>);

impl Faults {
    fn take(&self, statement: &str, persisted: bool) -> Option<DbError> {
        let mut waiting = self.0.lock().unwrap();
        let strikes = waiting.is_some_and(|f| statement.starts_with(f.statement) && f.persisted == persisted);
        strikes
            .then(|| waiting.take())
            .flatten()
            .map(|fault| DbError::new(fault.kind, "a planted fault"))
    }
}

/// Fails instead of doing it.
pub(crate) fn before(faults: Option<&Faults>, statement: &str) -> Result<(), DbError> {
    faults
        .and_then(|faults| faults.take(statement, false))
        .map_or(Ok(()), Err)
}

/// Fails after it was done.
pub(crate) fn strike<T>(
    faults: Option<&Faults>,
    statement: &str,
    answer: Result<T, DbError>,
) -> Result<T, DbError> {
    match faults.and_then(|f| f.take(statement, true).or_else(|| f.take(statement, false))) {
        Some(error) => Err(error),
        None => answer,
    }
}
