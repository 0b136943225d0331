//! Labels of runs: they grow while the run lives, and every decision counts on those it saw.

use remit_core::id::RunId;
use remit_core::label::Labels;

use crate::append::{ApplyError, Refused, Tx};
use crate::codec::{labels_from_json, labels_to_json};
use crate::error::StoreError;
use crate::sql::{Conn, Value};
use crate::stored::Columns;
use crate::tables::LABELS;

/// The labels of a run; none were charged when there is no row.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, run: RunId) -> Result<Labels, StoreError> {
    Ok(stored(conn, run)?.map(|(labels, _)| labels).unwrap_or_default())
}

fn stored(conn: &mut Conn, run: RunId) -> Result<Option<(Labels, i64)>, StoreError> {
    let Some(row) = LABELS.get(conn, &[run.to_string().into()])? else {
        return Ok(None);
    };
    Ok(Some((
        Columns::of(&LABELS, &row).json(1, labels_from_json)?,
        row.changed,
    )))
}

/// Charges `add` to a run whose labels the decision saw as `seen`.
///
/// # Errors
/// [`Refused::StaleLabels`] when the run carries others by now.
pub fn charge(tx: &mut Tx<'_>, run: RunId, seen: &Labels, add: &Labels) -> Result<(), ApplyError> {
    let stored = stored(tx, run)?;
    let (labels, changed) = stored.map_or_else(|| (Labels::new(), None), |(labels, at)| (labels, Some(at)));
    if labels != *seen {
        return Err(Refused::StaleLabels.into());
    }
    write(tx, run, &labels, changed, add)
}

/// Charges `add` to a run, whatever it carries: what an answer brought.
///
/// # Errors
/// [`StoreError`] when the row cannot be read or written.
pub fn add(tx: &mut Tx<'_>, run: RunId, add: &Labels) -> Result<(), ApplyError> {
    let stored = stored(tx, run)?;
    let (labels, changed) = stored.map_or_else(|| (Labels::new(), None), |(labels, at)| (labels, Some(at)));
    write(tx, run, &labels, changed, add)
}

fn write(
    tx: &mut Tx<'_>,
    run: RunId,
    labels: &Labels,
    changed: Option<i64>,
    add: &Labels,
) -> Result<(), ApplyError> {
    if add.is_subset(labels) {
        return Ok(());
    }
    let all: Labels = labels.union(add).cloned().collect();
    let values: [Value<'_>; 2] = [run.to_string().into(), labels_to_json(&all).to_string().into()];
    match changed {
        None => LABELS.insert(tx, &values).map(drop),
        Some(changed) => LABELS.update(tx, &values, changed),
    }
}
