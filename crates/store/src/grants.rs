//! Grants: the bounded form of an approval, within one task.

use remit_core::approval::{Grant, GrantBound};
use remit_core::id::{GrantId, TaskId};

use crate::append::{ApplyError, Refused, Tx};
use crate::codec::{bound_from_json, bound_to_json, salient_from_json, salient_to_json};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::GRANTS;

/// Adds a grant.
///
/// # Errors
/// [`Refused::Duplicate`] when the id is taken.
pub fn add(tx: &mut Tx<'_>, grant: &Grant) -> Result<(), ApplyError> {
    GRANTS.insert(tx, &columns(grant)?).map(drop)
}

/// Uses a grant once more.
///
/// # Errors
/// [`Refused::GrantUsed`] when it is used up, revoked or over.
pub fn spend(tx: &mut Tx<'_>, grant: GrantId) -> Result<Grant, ApplyError> {
    let used_up = || ApplyError::from(Refused::GrantUsed { grant });
    let Some(mut stored) = get(tx, grant)? else {
        return Err(used_up());
    };
    let in_bound = match stored.bound {
        GrantBound::Times(times) => stored.used < times,
        GrantBound::Until(until) => tx.time() < until,
        GrantBound::Task => true,
    };
    if stored.revoked || !in_bound {
        return Err(used_up());
    }
    stored.used += 1;
    GRANTS.update(tx, &columns(&stored)?, stored.changed)?;
    Ok(stored.value)
}

/// Takes a grant back; taking it back twice changes nothing.
///
/// # Errors
/// [`Refused::NotFound`].
pub fn revoke(tx: &mut Tx<'_>, grant: GrantId) -> Result<(), ApplyError> {
    let Some(mut stored) = get(tx, grant)? else {
        return Err(Refused::NotFound {
            what: "grants",
            key: grant.to_string(),
        }
        .into());
    };
    if stored.revoked {
        return Ok(());
    }
    stored.revoked = true;
    GRANTS.update(tx, &columns(&stored)?, stored.changed)
}

/// Takes back every grant of a task that ends.
pub(crate) fn revoke_all(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    for grant in of_task(tx, task)? {
        revoke(tx, grant.id)?;
    }
    Ok(())
}

/// One grant.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, grant: GrantId) -> Result<Option<Stored<Grant>>, StoreError> {
    GRANTS
        .get(conn, &[grant.to_string().into()])?
        .map(read)
        .transpose()
}

/// The grants of a task that are not revoked, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn of_task(conn: &mut Conn, task: TaskId) -> Result<Vec<Stored<Grant>>, StoreError> {
    let rows = GRANTS.load(
        conn,
        "WHERE t.task = $1 AND t.revoked = 0 ORDER BY t.id",
        &[task.to_string().into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// Up to `limit` grants that are not revoked, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn, limit: u32) -> Result<Vec<Stored<Grant>>, StoreError> {
    let rows = GRANTS.load(
        conn,
        "WHERE t.revoked = 0 ORDER BY t.id LIMIT $1",
        &[i64::from(limit).into()],
    )?;
    rows.into_iter().map(read).collect()
}

fn columns(grant: &Grant) -> Result<[Value<'_>; 10], Refused> {
    let used = i64::try_from(grant.used).map_err(|_| Refused::GrantUsed { grant: grant.id })?;
    Ok([
        grant.id.to_string().into(),
        grant.task.to_string().into(),
        grant.approval.to_string().into(),
        grant.tool.to_string().into(),
        grant.fingerprint.as_bytes().as_slice().into(),
        salient_to_json(&grant.salient).to_string().into(),
        bound_to_json(grant.bound).to_string().into(),
        used.into(),
        i64::from(grant.level).into(),
        grant.revoked.into(),
    ])
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Grant>, StoreError> {
    let columns = Columns::of(&GRANTS, &row);
    let value = Grant {
        id: columns.parsed(0)?,
        task: columns.parsed(1)?,
        approval: columns.parsed(2)?,
        tool: columns.parsed(3)?,
        fingerprint: columns.digest(4)?,
        salient: columns.json(5, salient_from_json)?,
        bound: columns.json(6, bound_from_json)?,
        used: columns.int(7)?.unsigned_abs(),
        level: u8::try_from(columns.int(8)?).unwrap_or(0),
        revoked: columns.int(9)? != 0,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
