//! Credentials that are being made: their end waits until it is known what became of them. Looked for any earlier, one would
//! be found dead that is only on its way, and live on. One whose making was cut may still be made by a request that arrived:
//! that it is nowhere to be found says nothing until such a request is over.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use remit_core::id::LeaseId;
use remit_core::lease::Lease;
use remit_core::time::Timestamp;
use tokio::sync::Notify;

/// How long a request that nobody waits for any more may still be worked on, in milliseconds.
const WORKED_ON_MS: i64 = 30_000;

/// Those this process is making.
#[derive(Debug, Default)]
pub(super) struct Making {
    under_way: Mutex<HashSet<LeaseId>>,
    /// Those whose making was answered: whatever became of them is so by now.
    answered: Mutex<HashSet<LeaseId>>,
}

impl Making {
    /// From before it is planned until the guard is dropped; then whoever ends leases is called.
    pub(super) fn enter<'m>(&'m self, work: &'m Notify, lease: LeaseId) -> Made<'m> {
        self.lock().insert(lease);
        Made {
            all: self,
            work,
            lease,
        }
    }

    /// True while it is made.
    pub(super) fn is_making(&self, lease: LeaseId) -> bool {
        self.lock().contains(&lease)
    }

    /// The request that makes it was answered, although not by a credential.
    pub(super) fn answered(&self, lease: LeaseId) {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(lease);
    }

    /// True when it says something that a lease is nowhere to be found; it is dead then, and nothing is remembered of it.
    pub(super) fn is_settled(&self, lease: &Lease, now: Timestamp) -> bool {
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.remove(&lease.id) || lease.dying_ms(now).is_none_or(|ms| ms >= WORKED_ON_MS)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<LeaseId>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that is being made.
#[derive(Debug)]
pub(super) struct Made<'m> {
    all: &'m Making,
    work: &'m Notify,
    lease: LeaseId,
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.lease);
        self.work.notify_one();
    }
}
