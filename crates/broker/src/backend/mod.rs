//! Backends: each makes one kind of credential, says how surely it dies, and can end it and prove it dead.
//!
//! The seam for the next one: a function that makes a credential under a name chosen before, one that ends it and takes
//! "already gone" for done, and the class that follows from how its end can be proved.

pub mod aws_sts;
pub mod github_app;
pub mod postgresql;
pub mod vault_token;

use crate::port::Unreached;

/// Why a backend did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BackendError {
    /// It was not reached: trying again helps.
    #[error("{0}")]
    Away(String),
    /// It refused: somebody has to change something there or here.
    #[error("{0}")]
    Refused(String),
}

impl From<Unreached> for BackendError {
    fn from(error: Unreached) -> Self {
        match error {
            Unreached::Answered { status, .. } if (400..500).contains(&status) => {
                Self::Refused(error.to_string())
            }
            _ => Self::Away(error.to_string()),
        }
    }
}
