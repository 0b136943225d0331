//! Calls that were decided: what was held stays here as the bytes that will be executed; what was sent stays open
//! until its outcome is known.

use remit_core::call::Call;
use remit_core::digest::Digest;
use remit_core::id::{CallId, DecisionId, RunId, TaskId};
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Refused, Tx};
use crate::codec::{call_from_json, call_to_json, read as read_json};
use crate::error::StoreError;
use crate::sql::{Conn, Row};

/// Where a call stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallState {
    /// Waits for people.
    Held,
    /// Allowed and recorded: it may have been sent.
    Open,
    /// Answered.
    Done,
    /// The upstream, or the way to it, failed for certain.
    Failed,
    /// It may or may not have happened; never sent again.
    Indeterminate,
    /// Given up before it was sent.
    Dropped,
}

impl CallState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Held,
        Self::Open,
        Self::Done,
        Self::Failed,
        Self::Indeterminate,
        Self::Dropped,
    ];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Open => "open",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Indeterminate => "indeterminate",
            Self::Dropped => "dropped",
        }
    }

    /// True when nothing can change it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Held | Self::Open)
    }
}

/// A call as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredCall {
    /// Id.
    pub id: CallId,
    /// Task.
    pub task: TaskId,
    /// Run.
    pub run: RunId,
    /// The decision that stands for it.
    pub decision: DecisionId,
    /// Digest of the canonical call.
    pub digest: Digest,
    /// The caller's reference or idempotency key.
    pub reference: Option<String>,
    /// Where it stands.
    pub state: CallState,
    /// When it was first decided.
    pub opened_at: Timestamp,
    /// Place of the latest decision record.
    pub decided: u64,
    /// Place of the outcome record.
    pub finished: Option<u64>,
    /// The call itself, for those that wait. Its digest was checked.
    pub call: Option<Call>,
    /// Sealed body; opaque to the store.
    pub body: Option<Vec<u8>>,
}

/// A call to be stored; place and time come from the record.
#[derive(Clone, Debug, PartialEq)]
pub struct NewCall {
    /// Id.
    pub id: CallId,
    /// Task.
    pub task: TaskId,
    /// Run.
    pub run: RunId,
    /// The decision that stands for it.
    pub decision: DecisionId,
    /// Digest of the canonical call.
    pub digest: Digest,
    /// The caller's reference or idempotency key. Without one, a finished call that was
    /// never held is not found by its digest any more.
    pub reference: Option<String>,
    /// [`CallState::Held`] or [`CallState::Open`].
    pub state: CallState,
    /// The call itself, for those that wait.
    pub call: Option<Call>,
    /// Sealed body; opaque to the store.
    pub body: Option<Vec<u8>>,
}

/// Stores a call.
///
/// # Errors
/// [`Refused::Duplicate`] when the id is taken.
pub fn add(tx: &mut Tx<'_>, call: &NewCall) -> Result<(), ApplyError> {
    let stored = call.call.as_ref().map(|call| call_to_json(call).to_canonical());
    let (time, seq) = (tx.time().0, tx.seq());
    let id = call.id.to_string();
    let added = tx.execute(
        "INSERT INTO calls (id, task, run, decision, digest, reference, state, opened_at, decided, call, body) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING",
        &[
            (&id).into(),
            call.task.to_string().into(),
            call.run.to_string().into(),
            call.decision.to_string().into(),
            call.digest.as_bytes().as_slice().into(),
            call.reference.as_ref().into(),
            call.state.as_str().into(),
            time.into(),
            seq.into(),
            stored.as_deref().into(),
            call.body.as_deref().into(),
        ],
    )?;
    if added == 1 {
        Ok(())
    } else {
        Err(Refused::Duplicate {
            what: "calls",
            key: id,
        }
        .into())
    }
}

/// Moves a held call to open: it was decided again and will be sent.
///
/// # Errors
/// [`Refused::Stale`] when it is not held any more.
pub fn release(tx: &mut Tx<'_>, call: CallId, decision: DecisionId) -> Result<(), ApplyError> {
    let (id, seq) = (call.to_string(), tx.seq());
    let moved = tx.execute(
        "UPDATE calls SET state = 'open', decision = $2, decided = $3 WHERE id = $1 AND state = 'held'",
        &[(&id).into(), decision.to_string().into(), seq.into()],
    )?;
    expect_moved(moved, id)
}

/// Gives a call its final state; only once.
///
/// # Errors
/// [`Refused::Stale`] when it has one already.
pub fn finish(tx: &mut Tx<'_>, call: CallId, state: CallState) -> Result<(), ApplyError> {
    let (id, seq) = (call.to_string(), tx.seq());
    let moved = tx.execute(
        "UPDATE calls SET state = $2, finished = $3 WHERE id = $1 AND state IN ('open', 'held')",
        &[(&id).into(), state.as_str().into(), seq.into()],
    )?;
    expect_moved(moved, id)
}

/// Gives up a call that waited: this decision stands for it from now on.
///
/// # Errors
/// [`Refused::Stale`] when it does not wait any more.
pub fn drop_for(tx: &mut Tx<'_>, call: CallId, decision: DecisionId) -> Result<(), ApplyError> {
    let (id, seq) = (call.to_string(), tx.seq());
    let moved = tx.execute(
        "UPDATE calls SET state = 'dropped', decision = $2, decided = $3, finished = $3 WHERE id = $1 AND state = 'held'",
        &[(&id).into(), decision.to_string().into(), seq.into()],
    )?;
    expect_moved(moved, id)
}

fn expect_moved(moved: u64, id: String) -> Result<(), ApplyError> {
    if moved == 1 {
        Ok(())
    } else {
        Err(Refused::Stale {
            what: "calls",
            key: id,
        }
        .into())
    }
}

const COLUMNS: &str =
    "id, task, run, decision, digest, reference, state, opened_at, decided, finished, call, body";

/// One call.
///
/// # Errors
/// [`StoreError::Tampered`] when the stored bytes do not have the stored digest.
pub fn get(conn: &mut Conn, call: CallId) -> Result<Option<StoredCall>, StoreError> {
    let row = conn.query_opt(
        &format!("SELECT {COLUMNS} FROM calls WHERE id = $1"),
        &[call.to_string().into()],
    )?;
    row.as_ref().map(read).transpose()
}

/// The calls of a run with this digest that are open, were held, or have a reference; latest first. It tells a retry
/// from a new call, and finds the result of a held call that was executed.
///
/// # Errors
/// As [`get`].
pub fn with_digest(
    conn: &mut Conn,
    run: RunId,
    digest: Digest,
    limit: u32,
) -> Result<Vec<StoredCall>, StoreError> {
    let rows = conn.query(
        &format!(
            "SELECT * FROM (SELECT {COLUMNS} FROM calls \
             WHERE run = $1 AND digest = $2 AND (call IS NOT NULL OR reference IS NOT NULL) \
             UNION ALL SELECT {COLUMNS} FROM calls \
             WHERE run = $1 AND digest = $2 AND state = 'open' AND call IS NULL AND reference IS NULL) AS found \
             ORDER BY decided DESC LIMIT $3"
        ),
        &[run.to_string().into(), digest.as_bytes().as_slice().into(), i64::from(limit).into()],
    )?;
    rows.iter().map(read).collect()
}

/// The calls of a run of which nobody knows whether they happened, oldest first.
///
/// # Errors
/// As [`get`].
pub fn unknown_of(conn: &mut Conn, run: RunId) -> Result<Vec<StoredCall>, StoreError> {
    let rows = conn.query(
        &format!("SELECT {COLUMNS} FROM calls WHERE run = $1 AND state = 'indeterminate' ORDER BY decided"),
        &[run.to_string().into()],
    )?;
    rows.iter().map(read).collect()
}

/// The open calls of a task's runs, oldest first: those under way.
///
/// # Errors
/// As [`get`].
pub fn open_of(conn: &mut Conn, task: TaskId) -> Result<Vec<StoredCall>, StoreError> {
    let rows = conn.query(
        &format!(
            "SELECT {COLUMNS} FROM calls WHERE state = 'open' \
             AND run IN (SELECT id FROM runs WHERE task = $1) ORDER BY decided"
        ),
        &[task.to_string().into()],
    )?;
    rows.iter().map(read).collect()
}

/// The held calls of a task's runs, oldest first.
///
/// # Errors
/// As [`get`].
pub fn held_of(conn: &mut Conn, task: TaskId) -> Result<Vec<StoredCall>, StoreError> {
    let rows = conn.query(
        &format!(
            "SELECT {COLUMNS} FROM calls WHERE (call IS NOT NULL OR reference IS NOT NULL) AND state = 'held' \
             AND run IN (SELECT id FROM runs WHERE task = $1) ORDER BY decided"
        ),
        &[task.to_string().into()],
    )?;
    rows.iter().map(read).collect()
}

/// Up to `limit` calls that were under way when the process stopped: each gets an indeterminate outcome.
///
/// # Errors
/// As [`get`].
pub fn unfinished(conn: &mut Conn, limit: u32) -> Result<Vec<StoredCall>, StoreError> {
    let rows = conn.query(
        &format!("SELECT {COLUMNS} FROM calls WHERE state = 'open' ORDER BY decided LIMIT $1"),
        &[i64::from(limit).into()],
    )?;
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<StoredCall, StoreError> {
    let malformed = |why: String| StoreError::Malformed {
        table: "calls",
        key: row.text(0).unwrap_or("?").to_owned(),
        why,
    };
    let digest =
        Digest::from_slice(row.bytes(4)?).ok_or_else(|| malformed("a digest has 32 bytes".to_owned()))?;
    let state = row.text(6)?;
    let call = match row.opt_bytes(10)? {
        None => None,
        Some(bytes) => {
            let value = read_json(bytes).and_then(|value| call_from_json(&value));
            let call = value.map_err(|error| malformed(error.to_string()))?;
            if call.digest() != digest {
                return Err(StoreError::Tampered {
                    table: "calls",
                    key: row.text(0)?.to_owned(),
                    why: "the stored call does not have the stored digest",
                });
            }
            Some(call)
        }
    };
    let id = |at: usize| row.text(at).map_err(StoreError::from);
    let bad = |error: remit_core::id::BadId| malformed(error.to_string());
    Ok(StoredCall {
        id: id(0)?.parse().map_err(bad)?,
        task: id(1)?.parse().map_err(bad)?,
        run: id(2)?.parse().map_err(bad)?,
        decision: id(3)?.parse().map_err(bad)?,
        digest,
        reference: row.opt_text(5)?.map(ToOwned::to_owned),
        state: CallState::ALL
            .into_iter()
            .find(|known| known.as_str() == state)
            .ok_or_else(|| malformed(format!("`{state}` is not a state of a call")))?,
        opened_at: Timestamp(row.int(7)?),
        decided: row.int(8)?.unsigned_abs(),
        finished: row.opt_int(9)?.map(i64::unsigned_abs),
        call,
        body: row.opt_bytes(11)?.map(<[u8]>::to_vec),
    })
}
