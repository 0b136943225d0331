//! Policy bundles by number: the highest is in force. An older one coming back would loosen, so the table's sum is
//! checked each time.

use remit_core::name::Name;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Epoch, Refused, Tx};
use crate::error::StoreError;
use crate::head::Head;
use crate::rows::Checked;
use crate::sql::Conn;
use crate::stored::Columns;
use crate::tables::POLICIES;

/// A bundle as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPolicy {
    /// Which, from 1.
    pub number: i64,
    /// Version as records name it.
    pub version: String,
    /// The bundle; opaque to the store.
    pub bundle: Vec<u8>,
    /// Who applied it.
    pub applied_by: Name,
    /// When.
    pub applied_at: Timestamp,
}

/// Puts a bundle in force and moves the policy epoch.
///
/// # Errors
/// [`Refused::Stale`] when another was applied since `after`.
pub fn apply(
    tx: &mut Tx<'_>,
    after: i64,
    version: &str,
    bundle: &[u8],
    by: &Name,
) -> Result<i64, ApplyError> {
    let last = tx
        .query_one("SELECT coalesce(max(number), 0) FROM policies", &[])?
        .int(0)?;
    if last != after {
        return Err(Refused::Stale {
            what: "policies",
            key: after.to_string(),
        }
        .into());
    }
    let (number, now) = (last + 1, tx.time().0);
    POLICIES.insert(
        tx,
        &[
            number.into(),
            version.into(),
            bundle.into(),
            by.as_str().into(),
            now.into(),
        ],
    )?;
    tx.bump(Epoch::Policy);
    Ok(number)
}

/// The bundle in force.
///
/// # Errors
/// [`StoreError::Tampered`] when it is not ours or a later one is missing.
pub fn in_force(conn: &mut Conn) -> Result<Option<StoredPolicy>, StoreError> {
    let sum = Head::load(conn)?
        .map(|head| head.sum(POLICIES.slot()))
        .unwrap_or_default();
    POLICIES.complete(conn, sum)?;
    let rows = POLICIES.load(conn, "ORDER BY t.number DESC LIMIT 1", &[])?;
    rows.into_iter().next().map(read).transpose()
}

/// A bundle by its number.
///
/// # Errors
/// [`StoreError::Tampered`] when it is not ours.
pub fn get(conn: &mut Conn, number: i64) -> Result<Option<StoredPolicy>, StoreError> {
    POLICIES.get(conn, &[number.into()])?.map(read).transpose()
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<StoredPolicy, StoreError> {
    let columns = Columns::of(&POLICIES, &row);
    Ok(StoredPolicy {
        number: columns.int(0)?,
        version: columns.text(1)?.to_owned(),
        bundle: columns.bytes(2)?.to_vec(),
        applied_by: columns.parsed(3)?,
        applied_at: Timestamp(columns.int(4)?),
    })
}
