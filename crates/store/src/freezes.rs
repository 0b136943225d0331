//! Freezes: resources nobody may change until a moment. A missing row would loosen, so the table is read whole and
//! its sum checked each time.

use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::head::Head;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::FREEZES;

/// A freeze.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// What is frozen, with everything below it.
    pub resource: Resource,
    /// Until when.
    pub until: Timestamp,
    /// Who placed it.
    pub placed_by: Name,
    /// Why; may be empty.
    pub why: String,
    /// Lifted early.
    pub lifted: bool,
}

/// Places a freeze, or replaces the one on the same resource.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn place(tx: &mut Tx<'_>, freeze: &Freeze) -> Result<(), ApplyError> {
    match FREEZES.get(tx, &[key(&freeze.resource).into()])? {
        None => FREEZES.insert(tx, &columns(freeze)).map(drop),
        Some(old) => FREEZES.update(tx, &columns(freeze), old.changed),
    }
}

/// Lifts a freeze early.
///
/// # Errors
/// [`Refused::NotFound`] when there is none.
pub fn lift(tx: &mut Tx<'_>, resource: &Resource) -> Result<(), ApplyError> {
    let Some(row) = FREEZES.get(tx, &[key(resource).into()])? else {
        return Err(Refused::NotFound {
            what: "freezes",
            key: key(resource),
        }
        .into());
    };
    let mut stored = read(row)?;
    stored.lifted = true;
    FREEZES.update(tx, &columns(&stored), stored.changed)
}

/// All freezes that are on at `now`.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours or one is missing.
pub fn on(conn: &mut Conn, now: Timestamp) -> Result<Vec<Freeze>, StoreError> {
    let sum = Head::load(conn)?
        .map(|head| head.sum(FREEZES.slot()))
        .unwrap_or_default();
    FREEZES.complete(conn, sum)?;
    let rows = FREEZES.load(conn, "ORDER BY t.resource", &[])?;
    let all: Vec<Stored<Freeze>> = rows.into_iter().map(read).collect::<Result<_, _>>()?;
    Ok(all
        .into_iter()
        .map(|stored| stored.value)
        .filter(|f| !f.lifted && now < f.until)
        .collect())
}

/// Two spellings of one resource are one freeze.
fn key(resource: &Resource) -> String {
    let path: Vec<&str> = resource.segments().collect();
    format!("{}:{}", resource.system(), path.join("/"))
}

fn columns(freeze: &Freeze) -> [Value<'_>; 5] {
    [
        key(&freeze.resource).into(),
        freeze.until.0.into(),
        freeze.placed_by.as_str().into(),
        (&freeze.why).into(),
        freeze.lifted.into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Freeze>, StoreError> {
    let columns = Columns::of(&FREEZES, &row);
    let value = Freeze {
        resource: columns.parsed(0)?,
        until: Timestamp(columns.int(1)?),
        placed_by: columns.parsed(2)?,
        why: columns.text(3)?.to_owned(),
        lifted: columns.int(4)? != 0,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
