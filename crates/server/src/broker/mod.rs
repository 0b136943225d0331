//! The broker: agents work with credentials they never hold, and none outlives its task.
//!
//! The contract of whoever sends bytes outside: after the decision is recorded, [`credential`] gives what belongs at a
//! declared credential position of a system, or says why there is none. What agents carry instead is a [`placeholder`];
//! [`resolve`] leads back, for the run it was made for and towards the system of its secret only. Everything opened is
//! known to the scrubber (`crate::secrets::known`).
//!
//! What is made for a task (`backends/`) is made at first use; what an upstream mints is captured (`minted.rs`).
//!
//! A lease is a row before anybody is asked for it (`leases.rs`) and ends inside the transaction that ends its task.
//! What left us is then revoked and probed (`revoke/`). Databases are servers of our own (`databases/`).

mod backends;
mod credential;
pub mod databases;
pub mod known;
mod leases;
mod making;
pub(crate) mod minted;
mod placeholder;
mod reach;
pub mod rejudge;
mod renewal;
pub mod revoke;
mod state;
pub mod vault;

pub(crate) use backends::{missing_login, not_taken};
pub use credential::{Credential, CredentialFailure, credential, credential_of};
pub(crate) use credential::{is_made_per_task, lease_of_secret};
use placeholder::openers;
pub use placeholder::{PLACEHOLDER, decoy, environment, placeholder, resolve};
pub use reach::Reach;
pub use state::Broker;

/// What the broker does when a task has ended: its leases are over in the store already; memory follows.
pub(crate) fn task_ended(app: &crate::app::App, task: remit_core::id::TaskId) {
    app.broker.forget_task(task);
    app.broker.work.notify_one();
}
