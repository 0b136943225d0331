//! Observe mode: classes whose holds and denials are recorded instead of enforced, for a time.

use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_core::tool::ToolClass;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::OBSERVATIONS;

/// A class that is observed only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// The class.
    pub class: ToolClass,
    /// When it began.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who started it.
    pub asked_by: Name,
    /// Ended by people, early or late: it may begin anew.
    pub ended: bool,
}

/// Begins to observe a class.
///
/// # Errors
/// [`crate::Refused::Duplicate`] when it is observed already: the time does not begin anew.
pub fn begin(tx: &mut Tx<'_>, observation: &Observation) -> Result<(), ApplyError> {
    match get(tx, observation.class)? {
        None => OBSERVATIONS.insert(tx, &columns(observation)).map(drop),
        Some(before) if before.ended => OBSERVATIONS.update(tx, &columns(observation), before.changed),
        Some(before) => Err(Refused::Duplicate {
            what: "observations",
            key: before.class.to_string(),
        }
        .into()),
    }
}

/// Ends it: the class is enforced again, and may be observed anew later.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn end(tx: &mut Tx<'_>, class: ToolClass) -> Result<(), ApplyError> {
    match get(tx, class)? {
        None => Ok(()),
        Some(mut stored) => {
            stored.ended = true;
            OBSERVATIONS.update(tx, &columns(&stored), stored.changed)
        }
    }
}

/// All of them, also those whose time is over.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn) -> Result<Vec<Observation>, StoreError> {
    let rows = OBSERVATIONS.load(conn, "ORDER BY t.class", &[])?;
    rows.into_iter()
        .map(|row| read(row).map(|stored| stored.value))
        .collect()
}

fn get(conn: &mut Conn, class: ToolClass) -> Result<Option<Stored<Observation>>, StoreError> {
    OBSERVATIONS
        .get(conn, &[class.as_str().into()])?
        .map(read)
        .transpose()
}

fn columns(observation: &Observation) -> [Value<'_>; 5] {
    [
        observation.class.as_str().into(),
        observation.since.0.into(),
        observation.until.0.into(),
        observation.asked_by.as_str().into(),
        observation.ended.into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Observation>, StoreError> {
    let columns = Columns::of(&OBSERVATIONS, &row);
    let value = Observation {
        class: columns.parsed(0)?,
        since: Timestamp(columns.int(1)?),
        until: Timestamp(columns.int(2)?),
        asked_by: columns.parsed(3)?,
        ended: columns.int(4)? != 0,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
