//! One group: its appends run one after the other in one transaction, and all who were not refused are durable
//! together.

use std::panic::{AssertUnwindSafe, catch_unwind};

use remit_core::time::Timestamp;
use remit_ledger::{Hash, leaf_hash};

use super::follow::Edge;
use super::writer::{Fatal, Writer};
use super::{AppendError, Appended, ApplyError, Done, Tx, Waiting};
use crate::error::StoreError;
use crate::head::Head;
use crate::sql::{DbError, DbErrorKind, Snapshot, Value};

/// Records that may wait for tree and index while appends keep coming: at least so many, and at least so many
/// groups' worth. When nothing comes, none waits.
const FOLLOW_AT: usize = 256;
const FOLLOW_GROUPS: usize = 4;
/// How often a group runs again after a conflict with another transaction.
const CONFLICTS_MAX: u32 = 5;

/// How one run over a group ended.
enum Run {
    /// Durable; by place in the group, the hash of the leaf or why there is none.
    Committed(Vec<Result<Hash, AppendError>>),
    /// One append failed after it had written: everything but that one runs again.
    Without(usize, AppendError),
    /// Another transaction was in the way.
    Conflict(DbError),
    /// No room.
    Full,
    /// Whether it is durable is not known, or the database is not ours any more.
    Fatal(Fatal),
}

/// What one append came to inside the transaction.
enum One {
    /// Applied: its leaf.
    Made(Vec<u8>),
    /// Refused before it wrote anything.
    Refused(AppendError),
    /// The whole run is over.
    Over(Run),
}

impl Writer {
    /// Makes a group durable and answers everybody in it.
    pub(super) fn group(&mut self, mut jobs: Vec<Appended>) -> Result<(), Fatal> {
        // By place in `jobs`: what was refused after it had written, and must not run again.
        let mut out: Vec<Option<AppendError>> = jobs.iter().map(|_| None).collect();
        let mut conflicts = 0;
        loop {
            match self.attempt(&mut jobs, &out) {
                Run::Committed(results) => {
                    self.answer(jobs, results);
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

    fn answer(&mut self, jobs: Vec<Appended>, results: Vec<Result<Hash, AppendError>>) {
        for (job, result) in jobs.into_iter().zip(results) {
            let Appended {
                record,
                leaf: open,
                keys,
                apply,
                reply,
            } = job;
            drop(reply.send(result.map(|leaf| {
                self.follower.push(Waiting { leaf, keys });
                Done {
                    record,
                    leaf,
                    _rest: (open, apply),
                }
            })));
        }
    }

    fn attempt(&mut self, jobs: &mut [Appended], out: &[Option<AppendError>]) -> Run {
        if let Err(error) = self.conn.begin(Snapshot::Write) {
            return failed(error);
        }
        let mut head = self.head.clone();
        let mut results = Vec::with_capacity(jobs.len());
        let mut leaves: Vec<(usize, Vec<u8>)> = Vec::with_capacity(jobs.len());
        for (at, job) in jobs.iter_mut().enumerate() {
            if let Some(Some(error)) = out.get(at) {
                results.push(Err(error.clone()));
                continue;
            }
            match self.one(at, job, &mut head) {
                One::Made(leaf) => {
                    results.push(Ok(leaf_hash(&leaf)));
                    leaves.push((at, leaf));
                }
                One::Refused(error) => results.push(Err(error)),
                One::Over(run) => return run,
            }
        }
        if leaves.is_empty() {
            return match self.conn.rollback() {
                Ok(()) => Run::Committed(results),
                Err(error) => failed(error),
            };
        }
        let edge = match self.write_group(&head, jobs, &leaves) {
            Ok(edge) => edge,
            Err(StoreError::Db(error)) => return failed(error),
            Err(error) => return Run::Fatal(Fatal(error.to_string())),
        };
        match self.conn.commit() {
            Ok(()) => {}
            Err(error) if error.kind() == DbErrorKind::Full => return Run::Full,
            Err(error) => return Run::Fatal(Fatal(error.to_string())),
        }
        self.head = head;
        if let Some(edge) = edge {
            self.follower.advance(edge);
        }
        Run::Committed(results)
    }

    /// Runs one append; the head is as before when it is refused.
    fn one(&mut self, at: usize, job: &mut Appended, head: &mut Head) -> One {
        let seq = head.size;
        let time = head.time.max(self.clock.now().0);
        job.record.seq = seq.unsigned_abs();
        job.record.time = Timestamp(time);
        let leaf = match job.leaf.close(job.record.seq, job.record.time) {
            Ok(leaf) => leaf,
            Err(error) => return One::Refused(error.into()),
        };
        let mut tx = Tx::new(&mut self.conn, head, &mut self.cache, seq, time);
        let applied = catch_unwind(AssertUnwindSafe(|| (job.apply)(&mut tx)));
        let wrote = tx.wrote();
        match applied {
            Ok(Ok(())) => {
                head.size = seq + 1;
                head.time = time;
                One::Made(leaf)
            }
            Ok(Err(ApplyError::Store(StoreError::Db(error)))) if !of_one_statement(&error) => {
                One::Over(failed(error))
            }
            Ok(Err(error)) if !wrote && !self.conn.is_broken() => One::Refused(error.into()),
            Ok(Err(error)) => One::Over(Run::Without(at, error.into())),
            Err(_) => {
                let why = "the change failed half-way; this is a defect, nothing was recorded".to_owned();
                let error = AppendError::Store(StoreError::Unavailable(why));
                One::Over(Run::Without(at, error))
            }
        }
    }

    /// Records, head and, once enough wait, tree and index.
    fn write_group(
        &mut self,
        head: &Head,
        jobs: &[Appended],
        leaves: &[(usize, Vec<u8>)],
    ) -> Result<Option<Edge>, StoreError> {
        let mut rows: Vec<Value<'_>> = Vec::with_capacity(leaves.len() * 4);
        for (at, leaf) in leaves {
            let Some(job) = jobs.get(*at) else { continue };
            let (seq, time) = (job.record.seq.cast_signed(), job.record.time.0);
            rows.extend([
                seq.into(),
                time.into(),
                (&job.record.kind).into(),
                leaf.as_slice().into(),
            ]);
        }
        self.records.run(&mut self.conn, &rows)?;
        head.advance(&mut self.conn, &self.head)?;
        if self.follower.waiting() < FOLLOW_AT.max(leaves.len() * FOLLOW_GROUPS) {
            return Ok(None);
        }
        self.follower.write(&mut self.conn).map(Some)
    }
}

fn refuse_all(jobs: Vec<Appended>, why: &AppendError) {
    for job in jobs {
        drop(job.reply.send(Err(why.clone())));
    }
}

/// True when the statement is at fault, not the database.
fn of_one_statement(error: &DbError) -> bool {
    matches!(
        error.kind(),
        DbErrorKind::Constraint | DbErrorKind::Shape | DbErrorKind::Other
    )
}

/// What an error before the commit means for the group.
fn failed(error: DbError) -> Run {
    match error.kind() {
        DbErrorKind::Full => Run::Full,
        DbErrorKind::Conflict => Run::Conflict(error),
        _ => Run::Fatal(Fatal(error.to_string())),
    }
}
