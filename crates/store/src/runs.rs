//! Runs: who holds a task's authority, by which token, and what is known of the process.

use remit_core::confinement::{BoundKey, Confinement, Proof};
use remit_core::digest::Digest;
use remit_core::id::{RunId, TaskId};
use remit_core::task::Run;
use remit_core::time::Timestamp;

use crate::append::{ApplyError, Tx};
use crate::codec::{process_from_json, process_to_json};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::RUNS;

/// What the kernel said about a run's process when it was attested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Process id.
    pub pid: i64,
    /// Start time in clock ticks since boot: tells a reused id apart.
    pub started: i64,
    /// User id.
    pub uid: i64,
}

/// A run as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// The run.
    pub run: Run,
    /// SHA-256 of its token; the token itself is nowhere.
    pub token: Digest,
    /// How its calls must prove it.
    pub proof: Proof,
    /// Its process, when it runs on this machine.
    pub process: Option<Process>,
    /// The key it must prove with each call. With [`Proof::Key`] and none yet, nobody has attested it: no token works.
    pub key: Option<BoundKey>,
    /// What it was attested by, where that was not its being started here: `spiffe://…`, `ISSUER SUBJECT`, `enrolment …`.
    pub identity: Option<String>,
    /// When it began.
    pub opened_at: Timestamp,
    /// When it ended; its token is dead from then on.
    pub ended_at: Option<Timestamp>,
}

/// Adds a run.
///
/// # Errors
/// [`crate::Refused::Duplicate`] when the id or the token is taken.
pub fn add(tx: &mut Tx<'_>, run: &StoredRun) -> Result<(), ApplyError> {
    RUNS.insert(tx, &columns(run)).map(drop)
}

/// Replaces a run as it was read.
///
/// # Errors
/// [`crate::Refused::Stale`] when it changed since.
pub fn put(tx: &mut Tx<'_>, run: &Stored<StoredRun>) -> Result<(), ApplyError> {
    RUNS.update(tx, &columns(run), run.changed)
}

/// Gives a run another token, and the key it must prove from now on; the token before is dead with this. A run that has a
/// key changes it only where `rebind` says that whoever asks has proved otherwise who it is.
///
/// # Errors
/// [`crate::Refused::NotFound`] when there is no such run, [`crate::Refused::NotAllowed`] when it has ended.
pub fn hand_over(
    tx: &mut Tx<'_>,
    run: RunId,
    token: Digest,
    key: Option<&BoundKey>,
    rebind: bool,
) -> Result<(), ApplyError> {
    let Some(mut stored) = get(tx, run)? else {
        return Err(crate::Refused::NotFound {
            what: "runs",
            key: run.to_string(),
        }
        .into());
    };
    if stored.ended_at.is_some() {
        return Err(crate::Refused::NotAllowed("the run has ended".to_owned()).into());
    }
    stored.token = token;
    if let Some(key) = key {
        if !rebind && stored.key.as_ref().is_some_and(|held| held != key) {
            return Err(crate::Refused::NotAllowed("the run is bound to another key".to_owned()).into());
        }
        stored.key = Some(key.clone());
        stored.proof = Proof::Key;
    }
    put(tx, &stored)
}

/// One run.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, run: RunId) -> Result<Option<Stored<StoredRun>>, StoreError> {
    RUNS.get(conn, &[run.to_string().into()])?.map(read).transpose()
}

/// The run behind a token's hash, ended or not.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn by_token(conn: &mut Conn, token: Digest) -> Result<Option<Stored<StoredRun>>, StoreError> {
    let rows = RUNS.load(conn, "WHERE t.token = $1", &[token.as_bytes().as_slice().into()])?;
    rows.into_iter().next().map(read).transpose()
}

/// The runs of a task, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn of_task(conn: &mut Conn, task: TaskId) -> Result<Vec<Stored<StoredRun>>, StoreError> {
    let rows = RUNS.load(
        conn,
        "WHERE t.task = $1 ORDER BY t.id",
        &[task.to_string().into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// The runs that have not ended and are bound to `key`.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn by_key(conn: &mut Conn, key: &BoundKey) -> Result<Vec<Stored<StoredRun>>, StoreError> {
    live_with(conn, "key", &key.to_string())
}

/// The runs that have not ended and were attested by `identity`.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn by_identity(conn: &mut Conn, identity: &str) -> Result<Vec<Stored<StoredRun>>, StoreError> {
    live_with(conn, "identity", identity)
}

fn live_with(conn: &mut Conn, column: &str, value: &str) -> Result<Vec<Stored<StoredRun>>, StoreError> {
    let filter = format!("WHERE t.{column} = $1 AND t.ended_at IS NULL ORDER BY t.id");
    let rows = RUNS.load(conn, &filter, &[value.into()])?;
    rows.into_iter().map(read).collect()
}

/// The runs of an agent that wait to be attested: opened, not ended, to be proved by a key nobody has shown yet.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn awaiting(conn: &mut Conn, agent: &str) -> Result<Vec<Stored<StoredRun>>, StoreError> {
    let rows = RUNS.load(
        conn,
        "WHERE t.agent = $1 AND t.proof = 'key' AND t.key IS NULL AND t.ended_at IS NULL ORDER BY t.id",
        &[agent.into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// The run that has not ended and whose process this is.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn by_process(conn: &mut Conn, process: Process) -> Result<Vec<Stored<StoredRun>>, StoreError> {
    live_with(conn, "process", &process_to_json(process).to_string())
}

/// The runs with a process that have not ended.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn with_process(conn: &mut Conn) -> Result<Vec<Stored<StoredRun>>, StoreError> {
    let rows = RUNS.load(conn, "WHERE t.process IS NOT NULL AND t.ended_at IS NULL", &[])?;
    rows.into_iter().map(read).collect()
}

/// Ends the runs of a task that have not ended.
pub(crate) fn end_all(tx: &mut Tx<'_>, task: TaskId) -> Result<Vec<RunId>, ApplyError> {
    let now = tx.time();
    let mut ended = Vec::new();
    for mut run in of_task(tx, task)? {
        if run.ended_at.is_none() {
            run.ended_at = Some(now);
            put(tx, &run)?;
            ended.push(run.run.id);
        }
    }
    Ok(ended)
}

fn columns(stored: &StoredRun) -> [Value<'_>; 11] {
    [
        stored.run.id.to_string().into(),
        stored.token.as_bytes().as_slice().into(),
        stored.run.agent.as_str().into(),
        stored.run.task.to_string().into(),
        stored.run.confinement.as_str().into(),
        stored.proof.as_str().into(),
        stored
            .process
            .map(|process| process_to_json(process).to_string())
            .into(),
        stored.key.as_ref().map(ToString::to_string).into(),
        stored.identity.as_deref().into(),
        stored.opened_at.0.into(),
        stored.ended_at.map(|time| time.0).into(),
    ]
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<StoredRun>, StoreError> {
    let columns = Columns::of(&RUNS, &row);
    let run = Run {
        id: columns.parsed(0)?,
        agent: columns.parsed(2)?,
        task: columns.parsed(3)?,
        confinement: columns.word(4, Confinement::parse)?,
    };
    let value = StoredRun {
        run,
        token: columns.digest(1)?,
        proof: columns.word(5, Proof::parse)?,
        process: match row.row.opt_text(6)? {
            None => None,
            Some(_) => Some(columns.json(6, process_from_json)?),
        },
        key: match row.row.opt_text(7)? {
            None => None,
            Some(_) => Some(columns.word(7, BoundKey::parse)?),
        },
        identity: row.row.opt_text(8)?.map(str::to_owned),
        opened_at: Timestamp(columns.int(9)?),
        ended_at: columns.opt_int(10)?.map(Timestamp),
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
