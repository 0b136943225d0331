//! Idle connections to one server, kept for the next call of the same task.

use std::sync::{Arc, Mutex, PoisonError};

use remit_core::time::{BootTime, Clock};

use super::dial::Dialled;

/// Most idle connections.
const IDLE_MAX: usize = 8;
/// Idle connections older than this are closed, in milliseconds: common servers close theirs after five seconds, and a
/// request that meets the closing end leaves us not knowing whether it arrived.
const IDLE_MS_MAX: u64 = 3500;

/// The idle connections.
pub(crate) struct Pool {
    clock: Arc<dyn Clock>,
    idle: Mutex<Vec<(BootTime, Dialled)>>,
}

impl Pool {
    pub(crate) const fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            idle: Mutex::new(Vec::new()),
        }
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
