//! Why a command did not succeed, and what that means for its exit status.

use serde_json::{Value, json};

use crate::out::Out;

/// Succeeded.
pub const DONE: u8 = 0;
/// Refused or failed.
pub const FAILED: u8 = 1;
/// Not understood.
pub const USAGE: u8 = 2;
/// `run` and `mcp wrap`: refused by us, so that it cannot be taken for the command's own status.
pub const REFUSED_BY_US: u8 = 125;

/// Why a command did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing answers at the control socket.
    #[error("{0}")]
    NotRunning(String),
    /// The server said no: the request is at fault, or something is in its way.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The whole answer: `error`, `message`, and what else the server says.
        answer: Value,
        /// Its sentence.
        message: String,
    },
    /// Something on this side: a file, an argument that only now turns out to be wrong.
    #[error("{0}")]
    Local(String),
    /// An argument that makes no sense.
    #[error("{0}")]
    Usage(String),
    /// Everything was said; only the status is left to give.
    #[error("")]
    Said,
    /// The reader of our output went away; that is its right.
    #[error("")]
    NobodyReads,
}

impl Failure {
    /// Something on this side.
    #[must_use]
    pub fn local(message: impl Into<String>) -> Self {
        Self::Local(message.into())
    }

    /// True when the server does not know what was asked about.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Tells the person or the program, and gives the exit status; `failed` is what failing means for this command.
    #[must_use]
    pub fn report(&self, out: Out, failed: u8) -> u8 {
        let (answer, failed) = match self {
            Self::NobodyReads => return DONE,
            Self::Said => return failed,
            Self::Usage(message) => (json!({"error": "usage", "message": message}), USAGE),
            Self::Refused { answer, .. } => (answer.clone(), failed),
            Self::NotRunning(message) => (json!({"error": "not_running", "message": message}), failed),
            Self::Local(message) => (json!({"error": "failed", "message": message}), failed),
        };
        if !out.json {
            out.note(
                crate::out::text::Text::new()
                    .bad("error:")
                    .plain(format!(" {self}")),
            );
        } else if failed == REFUSED_BY_US {
            out.json_note(&answer);
        } else {
            // Nobody reads: the status still says it.
            let _ = out.json(&answer);
        }
        failed
    }
}
