//! Leases: every credential that may exist was written here before anybody was asked for it; they end with their task.

use remit_core::id::{LeaseId, TaskId};
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Refused, Tx};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::{LEASE_VALUES, LEASES};

/// States in which something is still to be done or waited for, as the index knows them.
const OPEN: &str = "t.state IN ('planned', 'live', 'revoking', 'fading')";

/// Plans a lease. Its task must be open, which the caller expects in the same append.
///
/// # Errors
/// [`Refused::Duplicate`] when the id is taken.
pub fn plan(tx: &mut Tx<'_>, lease: &Lease) -> Result<(), ApplyError> {
    LEASES.insert(tx, &columns(lease)).map(drop)
}

/// What changes with a step.
#[derive(Clone, Debug, Default)]
pub struct Change {
    /// A handle the backend gave, in place of the planned one.
    pub handle: Option<String>,
    /// Another last moment.
    pub expires_at: Option<Timestamp>,
}

/// Moves a lease on. A lease that is there already, or over, stays as it is and answers false.
///
/// # Errors
/// [`Refused::NotFound`]; [`Refused::NotAllowed`] for a step no lease takes.
pub fn step(tx: &mut Tx<'_>, lease: LeaseId, to: LeaseState, change: &Change) -> Result<bool, ApplyError> {
    let Some(mut stored) = get(tx, lease)? else {
        return Err(Refused::NotFound {
            what: "leases",
            key: lease.to_string(),
        }
        .into());
    };
    if stored.state == to || stored.state.is_over() {
        return Ok(false);
    }
    stored.value.state = stored
        .state
        .to(to)
        .map_err(|step| Refused::NotAllowed(step.to_string()))?;
    if !matches!(to, LeaseState::Planned | LeaseState::Live) {
        stored.value.ended_at = stored.ended_at.or_else(|| Some(tx.time()));
    }
    if let Some(handle) = &change.handle {
        stored.value.handle.clone_from(handle);
    }
    if let Some(expires_at) = change.expires_at {
        stored.value.expires_at = expires_at;
    }
    LEASES.update(tx, &columns(&stored), stored.changed)?;
    if to.is_over() {
        LEASE_VALUES.delete(tx, &[lease.to_string().into()])?;
    }
    Ok(true)
}

/// Keeps what a credential is, sealed, until its lease is over: it can be ended, or used after a restart, by showing it only.
///
/// # Errors
/// [`Refused::Duplicate`] when it is kept already.
pub fn keep_value(tx: &mut Tx<'_>, lease: LeaseId, sealed: &[u8]) -> Result<(), ApplyError> {
    LEASE_VALUES
        .insert(tx, &[lease.to_string().into(), sealed.into()])
        .map(drop)
}

/// What a credential is, sealed; none when it was never kept, or its lease is over.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn value(conn: &mut Conn, lease: LeaseId) -> Result<Option<Vec<u8>>, StoreError> {
    let row = LEASE_VALUES.get(conn, &[lease.to_string().into()])?;
    row.map(|row| Ok(Columns::of(&LEASE_VALUES, &row).bytes(1)?.to_vec()))
        .transpose()
}

/// Moves the last moment of a live lease: a renewal, decided before.
///
/// # Errors
/// [`Refused::NotAllowed`] when it is not live.
pub fn extend(tx: &mut Tx<'_>, lease: LeaseId, expires_at: Timestamp) -> Result<(), ApplyError> {
    let Some(mut stored) = get(tx, lease)?.filter(|lease| lease.state == LeaseState::Live) else {
        return Err(
            Refused::NotAllowed(format!("{lease} is not live: nothing that ended is renewed")).into(),
        );
    };
    stored.value.expires_at = expires_at;
    LEASES.update(tx, &columns(&stored), stored.changed)
}

/// Ends the leases of a task that ends. What never left us is dead with this very record; for the rest the work begins.
pub(crate) fn end_all(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    for lease in of_task(tx, task)? {
        match lease.state {
            LeaseState::Planned | LeaseState::Live => {
                let to = if lease.class == LeaseClass::R0 {
                    LeaseState::Dead
                } else {
                    LeaseState::Revoking
                };
                step(tx, lease.id, to, &Change::default())?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// One lease.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, lease: LeaseId) -> Result<Option<Stored<Lease>>, StoreError> {
    LEASES
        .get(conn, &[lease.to_string().into()])?
        .map(read)
        .transpose()
}

/// The leases of a task, oldest first, those that are over too.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn of_task(conn: &mut Conn, task: TaskId) -> Result<Vec<Stored<Lease>>, StoreError> {
    let rows = LEASES.load(
        conn,
        "WHERE t.task = $1 ORDER BY t.id",
        &[task.to_string().into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// All leases that are not over, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn open(conn: &mut Conn) -> Result<Vec<Stored<Lease>>, StoreError> {
    let rows = LEASES.load(conn, &format!("WHERE {OPEN} ORDER BY t.id"), &[])?;
    rows.into_iter().map(read).collect()
}

/// Leases that a process which is gone held, or was about to: planned or live, and not only brokered; oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn held(conn: &mut Conn) -> Result<Vec<Stored<Lease>>, StoreError> {
    let rows = LEASES.load(
        conn,
        &format!("WHERE {OPEN} AND t.state IN ('planned', 'live') AND t.class <> 'R0' ORDER BY t.id"),
        &[],
    )?;
    rows.into_iter().map(read).collect()
}

/// Backend and system of every lease that is being revoked, each pair once. The rows are not checked: what is read of them
/// decides only where to look.
///
/// # Errors
/// [`StoreError::Db`].
pub fn revoking_at(conn: &mut Conn) -> Result<Vec<(Name, Name)>, StoreError> {
    let rows = conn.query(
        "SELECT DISTINCT backend, system FROM leases \
         WHERE state IN ('planned', 'live', 'revoking', 'fading') AND state = 'revoking'",
        &[],
    )?;
    let mut places = Vec::new();
    for row in rows {
        if let (Ok(backend), Ok(system)) = (row.text(0)?.parse(), row.text(1)?.parse()) {
            places.push((backend, system));
        }
    }
    Ok(places)
}

/// Up to `limit` leases of one backend and system that are being revoked, oldest first, those after `after`.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn revoking(
    conn: &mut Conn,
    (backend, system): (&Name, &Name),
    after: Option<LeaseId>,
    limit: u32,
) -> Result<Vec<Stored<Lease>>, StoreError> {
    let after = after.map_or_else(String::new, |id| id.to_string());
    let rows = LEASES.load(
        conn,
        &format!(
            "WHERE {OPEN} AND t.state = 'revoking' AND t.backend = $1 AND t.system = $2 AND t.id > $3 ORDER BY t.id LIMIT $4"
        ),
        &[
            backend.as_str().into(),
            system.as_str().into(),
            after.into(),
            i64::from(limit).into(),
        ],
    )?;
    rows.into_iter().map(read).collect()
}

/// Up to `limit` leases whose own last moment has passed at `now`, and for which that means something: what fades, and what
/// lives at a backend. What is being revoked already is not among them, however long that takes.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn outlived(conn: &mut Conn, now: Timestamp, limit: u32) -> Result<Vec<Stored<Lease>>, StoreError> {
    let rows = LEASES.load(
        conn,
        &format!(
            "WHERE {OPEN} AND t.expires_at <= $1 AND (t.state = 'fading' OR (t.state = 'live' AND t.class <> 'R0')) \
             ORDER BY t.expires_at LIMIT $2"
        ),
        &[now.0.into(), i64::from(limit).into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// The newest `limit` leases of any state, newest first; of one task when given.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn newest(conn: &mut Conn, task: Option<TaskId>, limit: u32) -> Result<Vec<Stored<Lease>>, StoreError> {
    let rows = match task {
        Some(task) => LEASES.load(
            conn,
            "WHERE t.task = $1 ORDER BY t.id DESC LIMIT $2",
            &[task.to_string().into(), i64::from(limit).into()],
        )?,
        None => LEASES.load(conn, "ORDER BY t.id DESC LIMIT $1", &[i64::from(limit).into()])?,
    };
    rows.into_iter().map(read).collect()
}

/// How many leases stand in each state that is not over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Planned or live.
    pub live: u64,
    /// Revoking.
    pub revoking: u64,
    /// Fading.
    pub fading: u64,
    /// Revoking since before the given moment: something is wrong with their backend.
    pub stuck: u64,
}

/// Counts what is not over; `stuck` are those that have been dying since `since` or longer.
///
/// # Errors
/// [`StoreError::Db`].
pub fn counts(conn: &mut Conn, since: Timestamp) -> Result<Counts, StoreError> {
    let rows = conn.query(
        "SELECT state, count(*), sum(CASE WHEN ended_at <= $1 THEN 1 ELSE 0 END) FROM leases \
         WHERE state IN ('planned', 'live', 'revoking', 'fading') GROUP BY state",
        &[since.0.into()],
    )?;
    let mut counts = Counts::default();
    for row in rows {
        let count = row.int(1)?.unsigned_abs();
        match row.text(0)? {
            "revoking" => {
                counts.revoking += count;
                counts.stuck += row.int(2)?.unsigned_abs();
            }
            "fading" => counts.fading += count,
            _ => counts.live += count,
        }
    }
    Ok(counts)
}

fn columns(lease: &Lease) -> [Value<'_>; 11] {
    [
        lease.id.to_string().into(),
        lease.task.to_string().into(),
        lease.run.to_string().into(),
        lease.system.as_str().into(),
        lease.backend.as_str().into(),
        lease.handle.as_str().into(),
        lease.class.as_str().into(),
        lease.state.as_str().into(),
        lease.planned_at.0.into(),
        lease.ended_at.map(|at| at.0).into(),
        lease.expires_at.0.into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Lease>, StoreError> {
    let columns = Columns::of(&LEASES, &row);
    let value = Lease {
        id: columns.parsed(0)?,
        task: columns.parsed(1)?,
        run: columns.parsed(2)?,
        system: columns.parsed::<Name>(3)?,
        backend: columns.parsed(4)?,
        handle: columns.text(5)?.to_owned(),
        class: columns.parsed(6)?,
        state: columns.parsed(7)?,
        planned_at: Timestamp(columns.int(8)?),
        ended_at: columns.opt_int(9)?.map(Timestamp),
        expires_at: Timestamp(columns.int(10)?),
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
