//! Seniority: since when a human holds the roles they hold, and who confirmed it. Whoever has no row is a newcomer.

use remit_core::name::Name;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::sql::Conn;
use crate::stored::Columns;
use crate::tables::SENIORITY;

/// Since when, and confirmed by whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seniority {
    /// When the roles were last widened.
    pub since: Timestamp,
    /// Who did that.
    pub added_by: Option<Name>,
    /// The second person who confirmed that.
    pub confirmed_by: Option<Name>,
}

/// What is known of a human.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, human: &Name) -> Result<Option<Seniority>, StoreError> {
    let Some(row) = SENIORITY.get(conn, &[human.as_str().into()])? else {
        return Ok(None);
    };
    let columns = Columns::of(&SENIORITY, &row);
    Ok(Some(Seniority {
        since: Timestamp(columns.int(1)?),
        added_by: columns.opt_parsed(2)?,
        confirmed_by: columns.opt_parsed(3)?,
    }))
}

/// The human is new, or holds more than before: it counts from now.
pub(crate) fn begin(tx: &mut Tx<'_>, human: &Name) -> Result<(), ApplyError> {
    let since = tx.time();
    let known = Seniority {
        since,
        added_by: None,
        confirmed_by: None,
    };
    put(tx, human, &known)
}

/// Says who widened what a human holds, in the transaction that does it.
///
/// # Errors
/// [`Refused::NotFound`] when there is no such human.
pub fn attribute(tx: &mut Tx<'_>, human: &Name, by: &Name) -> Result<(), ApplyError> {
    let mut known = known(tx, human)?;
    known.added_by = Some(by.clone());
    put(tx, human, &known)
}

fn known(tx: &mut Tx<'_>, human: &Name) -> Result<Seniority, ApplyError> {
    let known = get(tx, human)?;
    known.ok_or_else(|| {
        Refused::NotFound {
            what: "humans",
            key: human.to_string(),
        }
        .into()
    })
}

/// A second person confirms what a human holds.
///
/// # Errors
/// [`Refused::NotFound`] when there is nobody to confirm.
pub fn confirm(tx: &mut Tx<'_>, human: &Name, by: &Name) -> Result<(), ApplyError> {
    let mut known = known(tx, human)?;
    known.confirmed_by = Some(by.clone());
    put(tx, human, &known)
}

fn put(tx: &mut Tx<'_>, human: &Name, known: &Seniority) -> Result<(), ApplyError> {
    let values = [
        human.as_str().into(),
        known.since.0.into(),
        known.added_by.as_ref().map(Name::as_str).into(),
        known.confirmed_by.as_ref().map(Name::as_str).into(),
    ];
    match SENIORITY.get(tx, &[human.as_str().into()])? {
        None => SENIORITY.insert(tx, &values).map(drop),
        Some(old) => SENIORITY.update(tx, &values, old.changed),
    }
}
