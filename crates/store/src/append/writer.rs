//! The writer: the one thread that changes anything.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use remit_core::time::Clock;

use super::bulk::BulkInsert;
use super::queue::Found;
use super::{Cache, Chore, Follower, Queue, TreeHead};
use crate::error::StoreError;
use crate::head::Head;
use crate::sql::{Conn, DbErrorKind, Snapshot};

/// Most records in one transaction.
const GROUP_MAX: usize = 256;
/// How long nothing must come before tree and index catch up.
const IDLE: Duration = Duration::from_millis(200);

/// What the store must stop for.
pub(super) struct Fatal(pub(super) String);

pub(crate) struct Writer {
    pub(super) conn: Conn,
    pub(super) head: Head,
    pub(super) cache: Cache,
    pub(super) follower: Follower,
    queue: Arc<Queue>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) records: BulkInsert,
    /// Set by the checkpointer: the write-ahead log is nearly copied, finish it between two groups.
    finish_wal: Arc<AtomicBool>,
}

impl Writer {
    pub(crate) fn new(
        conn: Conn,
        head: Head,
        follower: Follower,
        queue: Arc<Queue>,
        clock: Arc<dyn Clock>,
        finish_wal: Arc<AtomicBool>,
    ) -> Self {
        let records = BulkInsert::new("records", &["seq", "time", "kind", "leaf"]);
        Self {
            conn,
            head,
            cache: Cache::default(),
            follower,
            queue,
            clock,
            records,
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
            if idle && self.follower.waiting() > 0 {
                // A full disk is told to whoever appends; the tree tries again.
                drop(self.follow()?);
            }
            if self.finish_wal.swap(false, Ordering::AcqRel) {
                crate::wal::checkpoint(&mut self.conn).map_err(|error| Fatal(error.to_string()))?;
            }
            if closed {
                return Ok(());
            }
        }
    }

    /// Leaves the transaction, and what was remembered from it.
    pub(super) fn give_up(&mut self) -> Result<(), Fatal> {
        self.cache.clear();
        self.conn.rollback().map_err(|error| Fatal(error.to_string()))
    }

    fn chore(&mut self, chore: Chore) -> Result<(), Fatal> {
        match chore {
            Chore::Sequence(reply) => drop(reply.send(self.follow()?)),
            Chore::Checkpoint(checkpoint, reply) => {
                let kept =
                    self.transaction(|writer| crate::tree::put_checkpoint(&mut writer.conn, &checkpoint))?;
                drop(reply.send(kept));
            }
        }
        Ok(())
    }

    /// Brings every durable record into the tree and the index.
    fn follow(&mut self) -> Result<Result<TreeHead, StoreError>, Fatal> {
        if self.follower.waiting() > 0 {
            match self.transaction(|writer| writer.follower.write(&mut writer.conn))? {
                Ok(edge) => self.follower.advance(edge),
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(self.follower.head()))
    }

    /// A transaction without a record. The inner error left nothing behind.
    fn transaction<T>(
        &mut self,
        write: impl FnOnce(&mut Self) -> Result<T, StoreError>,
    ) -> Result<Result<T, StoreError>, Fatal> {
        let begun = self.conn.begin(Snapshot::Write).map_err(StoreError::from);
        let written = match begun.and_then(|()| write(self)) {
            Ok(written) => written,
            Err(error) => {
                self.give_up()?;
                return match error {
                    StoreError::Db(error) if error.kind() == DbErrorKind::Lost => {
                        Err(Fatal(error.to_string()))
                    }
                    error => Ok(Err(error)),
                };
            }
        };
        match self.conn.commit() {
            Ok(()) => Ok(Ok(written)),
            Err(error) if error.kind() == DbErrorKind::Full => {
                self.give_up()?;
                Ok(Err(error.into()))
            }
            Err(error) => Err(Fatal(error.to_string())),
        }
    }
}
