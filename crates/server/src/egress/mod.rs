//! The egress proxy's side of the house: systems in the registry, requests as calls, the way out.

pub mod attachment;
mod contained;
mod front;
pub(crate) mod idempotency;
mod inject;
mod lookup;
mod port;
pub mod send;
pub mod steering;
pub mod systems;
mod together;
pub mod unknown;
pub(crate) mod way_out;
mod whole;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::id::{RunId, TaskId};
use remit_core::time::Timestamp;
use remit_egress::ca::RunCa;
use remit_egress::describe::HostPattern;
use remit_upstream::Outlet;

pub use front::{Door, front};
pub use port::UNKNOWN;

use crate::app::App;
use crate::engine::live::Live;
use crate::registry::snapshot::ServerEntry;

/// What the proxy keeps in memory.
#[derive(Debug, Default)]
pub struct Egress {
    /// Connections to systems.
    pub(crate) outlet: Outlet,
    authorities: Mutex<HashMap<RunId, (TaskId, Arc<RunCa>)>>,
}

impl Egress {
    /// The certificate authority of a run: for the hosts of the systems its task may use now. When they change, its key gets
    /// another certificate.
    ///
    /// # Errors
    /// A sentence, when no key can be made.
    pub fn authority(&self, app: &App, live: &Live) -> Result<Arc<RunCa>, String> {
        let run = live.run().id;
        let mut authorities = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
        let hosts = hosts(app, live);
        // While a class is observed nobody knows yet which hosts there will be.
        let bounds = app.world().observing.is_none().then_some(hosts.as_slice());
        let made = match authorities.get(&run) {
            Some((_, made)) if made.is_over(bounds) => return Ok(Arc::clone(made)),
            Some((_, made)) => made.over(bounds, now(app))?,
            None => RunCa::new(&run.to_string(), bounds, now(app))?,
        };
        let made = Arc::new(made);
        authorities.insert(run, (live.snapshot().task.id, Arc::clone(&made)));
        Ok(made)
    }

    /// Forgets everything of a task.
    pub fn end_task(&self, task: TaskId) {
        self.outlet.forget(task);
        let mut authorities = self.authorities.lock().unwrap_or_else(PoisonError::into_inner);
        authorities.retain(|_, (of, _)| *of != task);
    }
}

fn now(app: &App) -> Timestamp {
    app.clock.now()
}

/// True when a task may use anything of a system.
pub(crate) fn reaches(live: &Live, entry: &ServerEntry) -> bool {
    let authority = &live.snapshot().task.authority;
    let mut tools = entry.tools.values();
    tools.any(|tool| authority.selects(&tool.tool.name, tool.tool.classification.class))
}

/// Hosts of every system the task may use anything of.
fn hosts(app: &App, live: &Live) -> Vec<HostPattern> {
    let world = app.world();
    world
        .registry
        .servers()
        .filter(|entry| reaches(live, entry))
        .filter_map(|entry| entry.system.as_ref())
        .flat_map(|system| system.hosts.iter().cloned())
        .collect()
}
