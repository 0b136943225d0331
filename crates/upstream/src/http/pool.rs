//! Idle connections to one server, kept for the next call of the same task.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use remit_core::time::{BootTime, Clock};
use tokio::sync::Notify;

use super::dial::Dialled;

/// Most idle connections.
const IDLE_MAX: usize = 8;
/// Idle connections older than this are closed, in milliseconds: common servers close theirs after five seconds, and a
/// request that meets the closing end leaves us not knowing whether it arrived.
const IDLE_MS_MAX: u64 = 3500;

/// How long a connection that is about to come back is waited for: opening another one takes longer.
const RETURNING: Duration = Duration::from_millis(2);

/// The idle connections.
pub(crate) struct Pool {
    clock: Arc<dyn Clock>,
    idle: Mutex<Vec<(BootTime, Dialled)>>,
    /// Connections whose answer was given and whose stream is about to end.
    returning: AtomicUsize,
    returned: Notify,
}

/// A connection is about to come back, as long as this lives.
pub(crate) struct Returning(Arc<Pool>);

impl Drop for Returning {
    fn drop(&mut self) {
        self.0.returning.fetch_sub(1, Ordering::Relaxed);
        self.0.returned.notify_one();
    }
}

impl Pool {
    pub(crate) const fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            idle: Mutex::new(Vec::new()),
            returning: AtomicUsize::new(0),
            returned: Notify::const_new(),
        }
    }

    pub(crate) fn returning(self: &Arc<Self>) -> Returning {
        self.returning.fetch_add(1, Ordering::Relaxed);
        Returning(self.clone())
    }

    /// [`Self::take`], after a moment when one is about to come back.
    pub(crate) async fn take_soon(&self) -> Option<Dialled> {
        let taken = self.take();
        if taken.is_some() || self.returning.load(Ordering::Relaxed) == 0 {
            return taken;
        }
        drop(tokio::time::timeout(RETURNING, self.returned.notified()).await);
        self.take()
    }

    /// The connection used last, if it is still good. It may be busy with its last answer for a moment: wait until it is ready.
    pub(crate) fn take(&self) -> Option<Dialled> {
        let now = self.clock.boot();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|(since, dialled)| now < since.plus_ms(IDLE_MS_MAX) && !dialled.sender.is_closed());
        idle.pop().map(|(_, dialled)| dialled)
    }

    /// Keeps a connection whose answer was read to its end.
    pub(crate) fn put(&self, dialled: Dialled) {
        if dialled.sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE_MAX {
            idle.push((self.clock.boot(), dialled));
        }
    }

    pub(crate) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
