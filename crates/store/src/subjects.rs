//! Subjects: which human a subject of their own provider is. Bound once, so that nobody takes over a name by choosing it there.

use remit_core::digest::Digest;
use remit_core::name::Name;

use crate::append::{ApplyError, Tx};
use crate::error::StoreError;
use crate::sql::Conn;
use crate::stored::Columns;
use crate::tables::SUBJECTS;

/// The human of a subject; `digest` covers issuer and subject.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, digest: Digest) -> Result<Option<Name>, StoreError> {
    let Some(row) = SUBJECTS.get(conn, &[digest.to_string().into()])? else {
        return Ok(None);
    };
    Columns::of(&SUBJECTS, &row).parsed(1).map(Some)
}

/// Binds a subject to a human.
///
/// # Errors
/// [`crate::Refused::Duplicate`] when it is bound already.
pub fn bind(tx: &mut Tx<'_>, digest: Digest, human: &Name) -> Result<(), ApplyError> {
    SUBJECTS
        .insert(tx, &[digest.to_string().into(), human.as_str().into()])
        .map(drop)
}

/// True when somebody's subject is bound to this human.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn has(conn: &mut Conn, human: &Name) -> Result<bool, StoreError> {
    Ok(!SUBJECTS
        .load(conn, "WHERE t.human = $1", &[human.as_str().into()])?
        .is_empty())
}
