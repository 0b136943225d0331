//! Flights: calls between their permit and their outcome, so that a stop of a tool or a host can cut exactly those.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

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

/// All calls under way in this process.
#[derive(Debug, Default)]
pub struct Flights {
    inner: Mutex<HashMap<CallId, (Flight, watch::Sender<bool>)>>,
}

impl Flights {
    /// Notes a call before it leaves; it is forgotten when the guard is dropped.
    pub fn board(&self, call: CallId, since: Timestamp, prepared: &Prepared) -> Boarded<'_> {
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
        self.lock().insert(call, (flight, sender));
        Boarded {
            flights: self,
            call,
            cut,
        }
    }

    /// Cuts those that match, and says which.
    pub fn cut(&self, which: impl Fn(&Flight) -> bool) -> Vec<Flight> {
        let flights = self.lock();
        let hit = flights.values().filter(|(flight, _)| which(flight));
        hit.filter(|(_, cut)| !cut.send_replace(true))
            .map(|(flight, _)| flight.clone())
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<CallId, (Flight, watch::Sender<bool>)>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call on its way.
#[derive(Debug)]
pub struct Boarded<'f> {
    flights: &'f Flights,
    call: CallId,
    cut: watch::Receiver<bool>,
}

impl Boarded<'_> {
    /// Resolves when the call is cut.
    pub async fn cut(&mut self) {
        if self.cut.wait_for(|cut| *cut).await.is_err() {
            // Nobody can cut it any more.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for Boarded<'_> {
    fn drop(&mut self) {
        self.flights.lock().remove(&self.call);
    }
}
