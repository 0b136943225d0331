//! How many requests of one run are in flight.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::id::RunId;
use remit_core::limits::REQUESTS_PER_RUN_MAX;

/// The counters of all runs.
#[derive(Debug, Default)]
pub(crate) struct Flights {
    per_run: Mutex<HashMap<RunId, usize>>,
}

/// One request in flight; dropped when it is over.
#[derive(Debug)]
pub(crate) struct Flight {
    flights: Arc<Flights>,
    run: RunId,
}

impl Flights {
    /// Counts one more request of `run`; `None` when there are too many already.
    pub(crate) fn board(self: &Arc<Self>, run: RunId) -> Option<Flight> {
        let mut per_run = self.per_run.lock().unwrap_or_else(PoisonError::into_inner);
        let count = per_run.entry(run).or_default();
        if *count >= REQUESTS_PER_RUN_MAX {
            return None;
        }
        *count += 1;
        Some(Flight {
            flights: Arc::clone(self),
            run,
        })
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut per_run = self
            .flights
            .per_run
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = per_run.get_mut(&self.run) {
            *count -= 1;
            if *count == 0 {
                per_run.remove(&self.run);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::entropy::SeededEntropy;
    use remit_core::time::Timestamp;

    #[test]
    fn the_cap_is_per_run_and_frees_itself() {
        let flights = Arc::new(Flights::default());
        let run = |seed| RunId::fresh(Timestamp(1), &SeededEntropy::new(seed)).unwrap();
        let held: Vec<_> = (0..REQUESTS_PER_RUN_MAX)
            .map(|_| flights.board(run(1)).unwrap())
            .collect();
        assert!(flights.board(run(1)).is_none());
        assert!(flights.board(run(2)).is_some());
        drop(held);
        assert!(flights.board(run(1)).is_some());
        assert!(flights.per_run.lock().unwrap().is_empty());
    }
}
