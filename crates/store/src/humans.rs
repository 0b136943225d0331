//! Humans: who they are to Remit, and what they may do.

use remit_core::name::Name;
use remit_core::people::{Human, Kind, Standing};

use crate::append::{ApplyError, Tx};
use crate::codec::{authority_from_json, authority_to_json, roles_from_json, roles_to_json};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::HUMANS;

/// Registers a human, who is a newcomer from now.
///
/// # Errors
/// [`crate::Refused::Duplicate`] when the name is taken.
pub fn add(tx: &mut Tx<'_>, human: &Human) -> Result<(), ApplyError> {
    HUMANS.insert(tx, &columns(human))?;
    crate::seniority::begin(tx, &human.name)
}

/// Replaces a human as it was read; roles they did not hold before count from now.
///
/// # Errors
/// [`crate::Refused::Stale`] when it changed since.
pub fn put(tx: &mut Tx<'_>, human: &Stored<Human>) -> Result<(), ApplyError> {
    let held = get(tx, &human.name)?
        .map(|held| held.value.roles)
        .unwrap_or_default();
    HUMANS.update(tx, &columns(human), human.changed)?;
    if human.roles.is_subset(&held) {
        Ok(())
    } else {
        crate::seniority::begin(tx, &human.name)
    }
}

/// One human.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, name: &Name) -> Result<Option<Stored<Human>>, StoreError> {
    HUMANS.get(conn, &[name.as_str().into()])?.map(read).transpose()
}

/// All humans by name.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn) -> Result<Vec<Stored<Human>>, StoreError> {
    HUMANS
        .load(conn, "ORDER BY t.name", &[])?
        .into_iter()
        .map(read)
        .collect()
}

fn columns(human: &Human) -> [Value<'_>; 5] {
    let authority = human.authority.as_ref();
    [
        human.name.as_str().into(),
        human.kind.as_str().into(),
        roles_to_json(&human.roles).to_string().into(),
        authority
            .map(|authority| authority_to_json(authority).to_string())
            .into(),
        human.standing.as_str().into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Human>, StoreError> {
    let columns = Columns::of(&HUMANS, &row);
    let value = Human {
        name: columns.parsed(0)?,
        kind: columns.word(1, Kind::parse)?,
        roles: columns.json(2, roles_from_json)?,
        authority: match row.row.opt_text(3)? {
            None => None,
            Some(_) => Some(columns.json(3, authority_from_json)?),
        },
        standing: columns.word(4, Standing::parse)?,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
