//! The scenario's clock: the machine's, moved to where the scenario starts and forward when it says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use remit_core::time::{BootTime, Clock, Timestamp};
use remit_server::clock::SystemClock;

/// Time really passes, so whatever waits a moment waits a moment; it can only be moved forward.
#[derive(Clone, Debug, Default)]
pub(crate) struct ScenarioClock {
    shift: Arc<AtomicI64>,
    moved: Arc<AtomicU64>,
}

impl ScenarioClock {
    /// A clock that shows `start` now.
    pub fn starting_at(start: Timestamp) -> Self {
        let clock = Self::default();
        clock
            .shift
            .store(start.ms_since(SystemClock.now()), Ordering::SeqCst);
        clock
    }

    /// Moves it forward.
    pub fn advance(&self, ms: u64) {
        self.moved.fetch_add(ms, Ordering::SeqCst);
    }

    fn moved(&self) -> u64 {
        self.moved.load(Ordering::SeqCst)
    }
}

impl Clock for ScenarioClock {
    fn now(&self) -> Timestamp {
        let moved = i64::try_from(self.moved()).unwrap_or(i64::MAX);
        SystemClock
            .now()
            .plus_ms(self.shift.load(Ordering::SeqCst))
            .plus_ms(moved)
    }

    fn boot(&self) -> BootTime {
        SystemClock.boot().plus_ms(self.moved())
    }
}
