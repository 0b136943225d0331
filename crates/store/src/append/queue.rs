//! The queue in front of the writer: bounded, with a lane that overtakes for what takes authority away.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot, watch};

use super::{AppendError, ApplyError, TreeHead, Tx};
use crate::error::StoreError;
use crate::tree::StoredCheckpoint;
use remit_ledger::Hash;
use remit_ledger::record::{OpenLeaf, Record};

/// Which end of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// In turn, and only while there is room.
    Normal,
    /// At once.
    Urgent,
}

/// The change a record stands for.
pub(crate) type Apply = Box<dyn FnMut(&mut Tx<'_>) -> Result<(), ApplyError> + Send>;

/// One record with the state it stands for. Whatever does not depend on its place is prepared by the caller.
pub(crate) struct Appended {
    pub record: Record,
    pub leaf: OpenLeaf,
    /// What the record can be found by.
    pub keys: Vec<String>,
    pub apply: Apply,
    pub reply: oneshot::Sender<Result<Done, AppendError>>,
}

/// A durable record on its way back. Taking it apart is the caller's work, not the writer's.
pub(crate) struct Done {
    pub record: Record,
    pub leaf: Hash,
    /// Not needed any more.
    pub _rest: (OpenLeaf, Apply),
}

/// What the writer does between records.
pub(crate) enum Chore {
    /// Let the tree catch up with the records.
    Sequence(oneshot::Sender<Result<TreeHead, StoreError>>),
    /// Keep a signed checkpoint.
    Checkpoint(StoredCheckpoint, oneshot::Sender<Result<bool, StoreError>>),
}

/// What the writer found to do.
#[derive(Default)]
pub(crate) struct Found {
    pub appends: Vec<Appended>,
    pub chores: Vec<Chore>,
    pub closed: bool,
}

#[derive(Default)]
struct Waiting {
    urgent: VecDeque<Appended>,
    normal: VecDeque<Appended>,
    chores: Vec<Chore>,
    closed: bool,
    idle: bool,
}

/// Shared between all who append and the writer.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    more: Condvar,
    room: Semaphore,
    failure: watch::Sender<Option<Arc<str>>>,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            waiting: Mutex::default(),
            more: Condvar::new(),
            room: Semaphore::new(capacity),
            failure: watch::Sender::new(None),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for room, then queues. The append is made even when the caller goes away afterwards.
    pub(crate) async fn push(&self, job: Appended, lane: Lane) -> Result<(), AppendError> {
        if lane == Lane::Normal {
            match self.room.acquire().await {
                Ok(permit) => permit.forget(),
                Err(_) => return Err(self.unavailable()),
            }
        }
        let wake = {
            let mut waiting = self.lock();
            if waiting.closed {
                return Err(self.unavailable());
            }
            match lane {
                Lane::Normal => waiting.normal.push_back(job),
                Lane::Urgent => waiting.urgent.push_back(job),
            }
            waiting.idle
        };
        if wake {
            self.more.notify_one();
        }
        Ok(())
    }

    pub(crate) fn push_chore(&self, chore: Chore) -> Result<(), AppendError> {
        let mut waiting = self.lock();
        if waiting.closed {
            return Err(self.unavailable());
        }
        waiting.chores.push(chore);
        drop(waiting);
        self.more.notify_one();
        Ok(())
    }

    /// Waits up to `idle` for something to do and takes up to `max` appends, urgent ones first.
    pub(crate) fn take(&self, max: usize, idle: Duration) -> Found {
        let mut waiting = self.lock();
        let empty =
            |w: &Waiting| w.urgent.is_empty() && w.normal.is_empty() && w.chores.is_empty() && !w.closed;
        if empty(&waiting) {
            waiting.idle = true;
            (waiting, _) = self
                .more
                .wait_timeout_while(waiting, idle, |w| empty(w))
                .unwrap_or_else(PoisonError::into_inner);
            waiting.idle = false;
        }
        let urgent = waiting.urgent.len().min(max);
        let mut appends: Vec<Appended> = waiting.urgent.drain(..urgent).collect();
        let normal = waiting.normal.len().min(max - urgent);
        appends.extend(waiting.normal.drain(..normal));
        self.room.add_permits(normal);
        let done = waiting.closed && waiting.urgent.is_empty() && waiting.normal.is_empty();
        Found {
            appends,
            chores: std::mem::take(&mut waiting.chores),
            closed: done,
        }
    }

    /// No more appends; those queued are still made.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.room.close();
        self.more.notify_one();
    }

    /// Stops everything for good: nothing that was queued is made.
    pub(crate) fn poison(&self, why: &str) {
        self.failure.send_if_modified(|failure| {
            let first = failure.is_none();
            if first {
                *failure = Some(why.into());
            }
            first
        });
        let dropped = {
            let mut waiting = self.lock();
            waiting.closed = true;
            std::mem::take(&mut *waiting)
        };
        self.lock().closed = true;
        self.room.close();
        for job in dropped.urgent.into_iter().chain(dropped.normal) {
            drop(job.reply.send(Err(self.unavailable())));
        }
    }

    /// Why the store has stopped, once it has.
    pub(crate) fn failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.failure.subscribe()
    }

    pub(crate) fn unavailable(&self) -> AppendError {
        let why = self
            .failure
            .borrow()
            .as_deref()
            .unwrap_or("it is shutting down")
            .to_owned();
        AppendError::Unavailable(why)
    }
}
