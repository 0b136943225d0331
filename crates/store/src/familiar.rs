//! What an agent has used before: what is not here counts as new.

use std::collections::HashSet;

use remit_core::name::Name;

use crate::append::{ApplyError, Tx};
use crate::error::StoreError;
use crate::sql::{Conn, Value};
use crate::stored::Columns;
use crate::tables::FAMILIAR;

/// Remembers that an agent used something; the first time counts.
///
/// # Errors
/// [`StoreError`] when it cannot be written.
pub fn add(tx: &mut Tx<'_>, agent: &Name, what: &str) -> Result<(), ApplyError> {
    let time = tx.time().0;
    if FAMILIAR.get(tx, &[agent.as_str().into(), what.into()])?.is_some() {
        return Ok(());
    }
    let columns: [Value<'_>; 3] = [agent.as_str().into(), what.into(), time.into()];
    FAMILIAR.insert(tx, &columns).map(drop)
}

/// Everything an agent has used.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn of(conn: &mut Conn, agent: &Name) -> Result<HashSet<Box<str>>, StoreError> {
    let rows = FAMILIAR.load(conn, "WHERE t.agent = $1", &[agent.as_str().into()])?;
    rows.iter()
        .map(|row| Ok(Columns::of(&FAMILIAR, row).text(1)?.into()))
        .collect()
}
