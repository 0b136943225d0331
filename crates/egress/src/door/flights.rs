//! How many requests of one run are being taken in or waited for: bodies are kept whole, so their number is bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::id::RunId;
use remit_core::limits::REQUESTS_PER_RUN_MAX;

/// The counters of all runs.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<RunId, usize>>);

/// One request under way; dropped when it is answered.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    run: RunId,
}

impl Flights {
    /// Counts one more; `None` when there are too many already.
    pub(super) fn board(self: &Arc<Self>, run: RunId) -> Option<Flight> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(run).or_default();
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
        let mut counts = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.run) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.run);
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
    fn the_bound_is_per_run_and_frees_itself() {
        let flights = Arc::new(Flights::default());
        let run = |seed| RunId::fresh(Timestamp(1), &SeededEntropy::new(seed)).unwrap();
        let held: Vec<_> = (0..REQUESTS_PER_RUN_MAX)
            .map(|_| flights.board(run(1)).unwrap())
            .collect();
        assert!(flights.board(run(1)).is_none() && flights.board(run(2)).is_some());
        drop(held);
        assert!(flights.0.lock().unwrap().is_empty());
    }
}
