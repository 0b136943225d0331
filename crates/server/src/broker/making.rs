//! Credentials that are being made: their end waits until it is known what became of them. Looked for any earlier, one would
//! be found dead that is only on its way, and live on.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use remit_core::id::LeaseId;
use tokio::sync::Notify;

/// Those this process is making.
#[derive(Debug, Default)]
pub(super) struct Making(Mutex<HashSet<LeaseId>>);

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

    fn lock(&self) -> std::sync::MutexGuard<'_, HashSet<LeaseId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
