//! The writer: the one thread that changes anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use remit_core::time::{Clock, Timestamp};
use remit_ledger::{Hash, leaf_hash};

use super::bulk::BulkInsert;
use super::queue::Found;
use super::{AppendError, Appended, ApplyError, Cache, Chore, Queue, Receipt, Sequencer, TreeHead, Tx};
use crate::error::StoreError;
use crate::head::Head;
use crate::records;
use crate::sql::{Conn, DbError, DbErrorKind, Snapshot, Value};

/// Most records in one transaction.
const GROUP_MAX: usize = 256;
/// Records that may wait for the tree while appends keep coming; when nothing comes, none waits.
const SEQUENCE_AT: usize = 1024;
/// How long nothing must come before the tree catches up.
const IDLE: Duration = Duration::from_millis(200);
/// How often a group runs again after a conflict with another transaction.
const CONFLICTS_MAX: u32 = 5;

/// What the store must stop for.
struct Fatal(String);

/// How one run over a group ended.
enum Run {
    /// Durable.
    Committed(Vec<Result<Receipt, AppendError>>),
    /// One append failed after it had written: everything but that one runs again.
    Without(usize, AppendError),
    /// Another transaction was in the way.
    Conflict(DbError),
    /// No room.
    Full,
    /// Whether it is durable is not known, or the database is not ours any more.
    Fatal(Fatal),
}

pub(crate) struct Writer {
    conn: Conn,
    head: Head,
    cache: Cache,
    sequencer: Sequencer,
    queue: Arc<Queue>,
    clock: Arc<dyn Clock>,
    records: BulkInsert,
    keys: BulkInsert,
    /// Set by the checkpointer: the write-ahead log is nearly copied, finish it between two groups.
    finish_wal: Arc<AtomicBool>,
}

impl Writer {
    pub(crate) fn new(
        conn: Conn,
        head: Head,
        sequencer: Sequencer,
        queue: Arc<Queue>,
        clock: Arc<dyn Clock>,
        finish_wal: Arc<AtomicBool>,
    ) -> Self {
        Self {
            conn,
            head,
            cache: Cache::default(),
            sequencer,
            queue,
            clock,
            records: BulkInsert::new("records", &["seq", "time", "kind", "leaf"]),
            keys: BulkInsert::new("record_keys", &["key", "seq"]),
            finish_wal,
        }
    }

    /// Works until the queue is closed, or until something is wrong with what is durable.
    pub(crate) fn run(mut self) {
        let queue = Arc::clone(&self.queue);
        let worked = catch_unwind(AssertUnwindSafe(|| self.work()));
        let why = match worked {
            Ok(Ok(())) => "it was shut down".to_owned(),
            Ok(Err(Fatal(why))) => why,
            Err(_) => "the writer failed; this is a defect".to_owned(),
        };
        queue.poison(&why);
    }

    fn work(&mut self) -> Result<(), Fatal> {
        loop {
            let Found {
                appends,
                chores,
                closed,
            } = self.queue.take(GROUP_MAX, IDLE);
            let idle = appends.is_empty() && chores.is_empty();
            if !appends.is_empty() {
                self.group(appends)?;
            }
            for chore in chores {
                self.chore(chore)?;
            }
            if idle && self.sequencer.waiting() > 0 {
                // A full disk is told to whoever appends; the tree tries again.
                drop(self.sequence()?);
            }
            if self.finish_wal.swap(false, Ordering::AcqRel) {
                crate::wal::checkpoint(&mut self.conn).map_err(|error| Fatal(error.to_string()))?;
            }
            if closed {
                return Ok(());
            }
        }
    }

    fn group(&mut self, mut jobs: Vec<Appended>) -> Result<(), Fatal> {
        // By place in `jobs`: what was refused after it had written, and must not run again.
        let mut out: Vec<Option<AppendError>> = jobs.iter().map(|_| None).collect();
        let mut conflicts = 0;
        let refuse_all = |jobs: Vec<Appended>, why: &AppendError| {
            for job in jobs {
                drop(job.reply.send(Err(why.clone())));
            }
        };
        loop {
            match self.attempt(&mut jobs, &out) {
                Run::Committed(results) => {
                    for (job, result) in jobs.into_iter().zip(results) {
                        drop(job.reply.send(result));
                    }
                    return Ok(());
                }
                Run::Without(at, error) => {
                    self.give_up()?;
                    if let Some(place) = out.get_mut(at) {
                        *place = Some(error);
                    }
                }
                Run::Conflict(error) => {
                    self.give_up()?;
                    conflicts += 1;
                    if conflicts > CONFLICTS_MAX {
                        refuse_all(jobs, &AppendError::Store(StoreError::Db(error)));
                        return Ok(());
                    }
                }
                Run::Full => {
                    self.give_up()?;
                    refuse_all(jobs, &AppendError::Full);
                    return Ok(());
                }
                Run::Fatal(fatal) => {
                    // No rollback and no reading back: what is durable is found out by the next start.
                    refuse_all(jobs, &AppendError::Unavailable(fatal.0.clone()));
                    return Err(fatal);
                }
            }
        }
    }

    fn give_up(&mut self) -> Result<(), Fatal> {
        self.cache.clear();
        self.conn.rollback().map_err(|error| Fatal(error.to_string()))
    }

    fn attempt(&mut self, jobs: &mut [Appended], out: &[Option<AppendError>]) -> Run {
        if let Err(error) = self.conn.begin(Snapshot::Write) {
            return failed(error);
        }
        let mut head = self.head.clone();
        let mut results = Vec::with_capacity(jobs.len());
        let mut leaves: Vec<Hash> = Vec::with_capacity(jobs.len());
        let mut rows: Vec<Value<'_>> = Vec::with_capacity(jobs.len() * 4);
        let mut keys: Vec<Value<'_>> = Vec::with_capacity(jobs.len() * 8);
        for (at, job) in jobs.iter_mut().enumerate() {
            if let Some(Some(error)) = out.get(at) {
                results.push(Err(error.clone()));
                continue;
            }
            let seq = head.size;
            let time = head.time.max(self.clock.now().0);
            job.record.seq = seq.unsigned_abs();
            job.record.time = Timestamp(time);
            let leaf = match job.record.encode() {
                Ok(leaf) => leaf,
                Err(error) => {
                    results.push(Err(error.into()));
                    continue;
                }
            };
            let before = head.clone();
            let mut tx = Tx::new(&mut self.conn, &mut head, &mut self.cache, seq, time);
            let applied = catch_unwind(AssertUnwindSafe(|| (job.apply)(&mut tx)));
            let wrote = tx.wrote();
            match applied {
                Ok(Ok(())) => {}
                Ok(Err(ApplyError::Store(StoreError::Db(error))))
                    if !matches!(
                        error.kind(),
                        DbErrorKind::Constraint | DbErrorKind::Shape | DbErrorKind::Other
                    ) =>
                {
                    return failed(error);
                }
                Ok(Err(error)) if !wrote && !self.conn.is_broken() => {
                    head = before;
                    results.push(Err(error.into()));
                    continue;
                }
                Ok(Err(error)) => return Run::Without(at, error.into()),
                Err(_) => {
                    let why = "the change failed half-way; this is a defect, nothing was recorded".to_owned();
                    return Run::Without(at, AppendError::Store(StoreError::Unavailable(why)));
                }
            }
            head.size = seq + 1;
            head.time = time;
            let hash = leaf_hash(&leaf);
            records::keys(&job.record, |key| keys.extend([key.into(), seq.into()]));
            rows.extend([
                seq.into(),
                time.into(),
                job.record.kind.clone().into(),
                leaf.into(),
            ]);
            leaves.push(hash);
            results.push(Ok(Receipt::of(&job.record, hash)));
        }
        if leaves.is_empty() {
            return match self.conn.rollback() {
                Ok(()) => Run::Committed(results),
                Err(error) => failed(error),
            };
        }
        let sequencer = match self.write_group(&head, &rows, &keys) {
            Ok(sequencer) => sequencer,
            Err(StoreError::Db(error)) => return failed(error),
            Err(error) => return Run::Fatal(Fatal(error.to_string())),
        };
        if let Err(error) = self.conn.commit() {
            return if error.kind() == DbErrorKind::Full {
                Run::Full
            } else {
                Run::Fatal(Fatal(error.to_string()))
            };
        }
        self.head = head;
        if let Some(sequencer) = sequencer {
            self.sequencer = sequencer;
        }
        for leaf in leaves {
            self.sequencer.push(leaf);
        }
        Run::Committed(results)
    }

    /// Records, keys, head and, once enough wait, the tree.
    fn write_group(
        &mut self,
        head: &Head,
        rows: &[Value<'_>],
        keys: &[Value<'_>],
    ) -> Result<Option<Sequencer>, StoreError> {
        self.records.run(&mut self.conn, rows)?;
        self.keys.run(&mut self.conn, keys)?;
        head.advance(&mut self.conn, &self.head)?;
        if self.sequencer.waiting() < SEQUENCE_AT {
            return Ok(None);
        }
        let mut sequencer = self.sequencer.clone();
        sequencer.write(&mut self.conn)?;
        Ok(Some(sequencer))
    }

    fn chore(&mut self, chore: Chore) -> Result<(), Fatal> {
        match chore {
            Chore::Sequence(reply) => drop(reply.send(self.sequence()?)),
            Chore::Checkpoint(checkpoint, reply) => {
                let kept = self.transaction(|conn| crate::tree::put_checkpoint(conn, &checkpoint))?;
                drop(reply.send(kept));
            }
        }
        Ok(())
    }

    /// Brings every durable record into the tree.
    fn sequence(&mut self) -> Result<Result<TreeHead, StoreError>, Fatal> {
        if self.sequencer.waiting() > 0 {
            let mut sequencer = self.sequencer.clone();
            if let Err(error) = self.transaction(|conn| sequencer.write(conn))? {
                return Ok(Err(error));
            }
            self.sequencer = sequencer;
        }
        Ok(Ok(self.sequencer.head()))
    }

    /// A transaction without a record. The inner error left nothing behind.
    fn transaction(
        &mut self,
        write: impl FnOnce(&mut Conn) -> Result<(), StoreError>,
    ) -> Result<Result<(), StoreError>, Fatal> {
        let written = self
            .conn
            .begin(Snapshot::Write)
            .map_err(StoreError::from)
            .and_then(|()| write(&mut self.conn));
        if let Err(error) = written {
            self.give_up()?;
            return match error {
                StoreError::Db(error) if error.kind() == DbErrorKind::Lost => Err(Fatal(error.to_string())),
                error => Ok(Err(error)),
            };
        }
        match self.conn.commit() {
            Ok(()) => Ok(Ok(())),
            Err(error) if error.kind() == DbErrorKind::Full => {
                self.give_up()?;
                Ok(Err(error.into()))
            }
            Err(error) => Err(Fatal(error.to_string())),
        }
    }
}

/// What an error before the commit means for the group.
fn failed(error: DbError) -> Run {
    match error.kind() {
        DbErrorKind::Full => Run::Full,
        DbErrorKind::Conflict => Run::Conflict(error),
        _ => Run::Fatal(Fatal(error.to_string())),
    }
}
