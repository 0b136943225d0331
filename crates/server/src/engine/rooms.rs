//! Waiting rooms: how a verdict reaches the request that waits for it, and everybody who watches.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use remit_core::id::ApprovalId;
use tokio::sync::{broadcast, watch};

/// Watchers that may lag behind before they have to look again from the start.
const WATCH_BACKLOG: usize = 256;

/// Rooms by approval.
#[derive(Debug)]
pub struct Rooms {
    waiting: Mutex<HashMap<ApprovalId, watch::Sender<u64>>>,
    watchers: broadcast::Sender<ApprovalId>,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            waiting: Mutex::default(),
            watchers: broadcast::channel(WATCH_BACKLOG).0,
        }
    }
}

impl Rooms {
    /// Waits outside: the receiver changes whenever the approval, its call or its result does.
    #[must_use]
    pub fn enter(&self, approval: ApprovalId) -> watch::Receiver<u64> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|id, room| *id == approval || room.receiver_count() > 0);
        waiting
            .entry(approval)
            .or_insert_with(|| watch::channel(0).0)
            .subscribe()
    }

    /// Something about the approval changed.
    pub fn ring(&self, approval: ApprovalId) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(room) = waiting.get(&approval) {
            room.send_modify(|rings| *rings += 1);
        }
        drop(waiting);
        // Nobody watching is not an error.
        let _ = self.watchers.send(approval);
    }

    /// Approvals as they appear or change; a lagging watcher is told and looks again.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<ApprovalId> {
        self.watchers.subscribe()
    }
}
