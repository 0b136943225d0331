//! Flights: calls between their record and their outcome, so that a stop of a tool or a host can cut exactly those.
//!
//! A call boards before it is recorded: a stop that is recorded after it finds it here, whatever it is doing by then, and
//! one that is recorded before it makes its record fail.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::call::Operation;
use remit_core::id::CallId;
use remit_core::time::Timestamp;
use remit_core::tool::ToolRef;
use tokio::sync::watch;

use super::decide::Prepared;
use super::world;
use crate::tasks::end::InFlight;

/// One call under way.
#[derive(Clone, Debug)]
pub struct Flight {
    /// The call.
    pub call: CallId,
    /// When it was let out.
    pub since: Timestamp,
    /// Its tool, when it is one.
    pub tool: Option<ToolRef>,
    /// Hosts it reaches, as far as can be told: its destinations', its server's.
    pub hosts: Vec<String>,
}

impl Flight {
    /// Flights as they are told to people.
    #[must_use]
    pub fn told(flights: &[Self]) -> Vec<InFlight> {
        flights
            .iter()
            .map(|flight| InFlight {
                call: flight.call.to_string(),
                since: flight.since,
            })
            .collect()
    }
}

type Aboard = Arc<Mutex<Seats>>;

/// All calls under way in this process.
#[derive(Debug, Default)]
pub struct Flights {
    seats: Aboard,
}

#[derive(Debug, Default)]
struct Seats {
    taken: HashMap<u64, Seat>,
    next: u64,
}

#[derive(Debug)]
struct Seat {
    flight: Flight,
    cut: watch::Sender<bool>,
    /// Its record is durable.
    is_out: bool,
    /// Somebody was told that it was cut.
    is_told: bool,
}

impl Flights {
    /// Notes a call before it is recorded; it is forgotten when the guard is dropped.
    pub fn board(&self, call: CallId, since: Timestamp, prepared: &Prepared) -> Boarded {
        let tool = match &prepared.call.operation {
            Operation::CallTool(tool) => Some(ToolRef {
                server: prepared.call.server.clone(),
                tool: tool.clone(),
            }),
            _ => None,
        };
        let flight = Flight {
            call,
            since,
            tool,
            hosts: world::hosts_of(prepared),
        };
        let (sender, cut) = watch::channel(false);
        let mut seats = lock(&self.seats);
        let seat = seats.next;
        seats.next += 1;
        let taken = Seat {
            flight,
            cut: sender,
            is_out: false,
            is_told: false,
        };
        seats.taken.insert(seat, taken);
        Boarded {
            aboard: Arc::clone(&self.seats),
            seat,
            cut,
        }
    }

    /// Cuts those that match, and says which of them were let out; each is said once.
    pub fn cut(&self, which: impl Fn(&Flight) -> bool) -> Vec<Flight> {
        let mut told = Vec::new();
        for seat in lock(&self.seats)
            .taken
            .values_mut()
            .filter(|seat| which(&seat.flight))
        {
            seat.cut.send_replace(true);
            if seat.is_out && !seat.is_told {
                seat.is_told = true;
                told.push(seat.flight.clone());
            }
        }
        told
    }
}

fn lock(aboard: &Aboard) -> std::sync::MutexGuard<'_, Seats> {
    aboard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call on its way.
pub struct Boarded {
    aboard: Aboard,
    seat: u64,
    cut: watch::Receiver<bool>,
}

impl std::fmt::Debug for Boarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Boarded")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}

impl Boarded {
    /// Its record is durable: it is under way from here on.
    pub fn let_out(&self) {
        if let Some(seat) = lock(&self.aboard).taken.get_mut(&self.seat) {
            seat.is_out = true;
        }
    }

    /// True when it was cut. Asked before anything leaves: nothing has left then.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        *self.cut.borrow()
    }

    /// Resolves when the call is cut.
    pub async fn cut(&mut self) {
        if self.cut.wait_for(|cut| *cut).await.is_err() {
            // Nobody can cut it any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Boarded {
    fn drop(&mut self) {
        lock(&self.aboard).taken.remove(&self.seat);
    }
}
