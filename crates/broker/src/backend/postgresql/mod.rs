//! PostgreSQL: a role for each lease, which holds the task's tables and verbs and nothing else.
//!
//! The end is: no login, its sessions terminated, what it owns dropped, the role dropped, and a look that finds neither
//! role nor session. Class R1: the look is the proof.

mod metered;
mod query;
mod role;
mod session;

pub use query::{Limits, Outcome, run};
pub use role::{REMOVED_AT_ONCE, Rights, Verbs, cut, list, make, prove, remove, verifier};
pub use session::{Account, Session, connect, connect_house};

use super::BackendError;

/// An error of the server or the way to it. What it says about values of ours is left out.
fn failed(error: &tokio_postgres::Error) -> BackendError {
    match error.as_db_error() {
        Some(said) => {
            let message: String = said
                .message()
                .chars()
                .filter(|c| !c.is_control())
                .take(300)
                .collect();
            let text = format!("PostgreSQL said: {message} ({})", said.code().code());
            // Shutting down, too many connections, terminated: it will be there again. Or somebody else granted at once.
            let passing = ["57P", "53", "08"]
                .iter()
                .any(|class| said.code().code().starts_with(class))
                || said.message() == "tuple concurrently updated";
            if passing {
                BackendError::Away(text)
            } else {
                BackendError::Refused(text)
            }
        }
        None => BackendError::Away(format!("PostgreSQL went away: {error}")),
    }
}

/// A name as SQL writes it.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
