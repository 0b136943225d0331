//! The vault's cryptography: a data key for each version of each secret, wrapped under a key-encryption key that lies
//! outside the store.

mod envelope;
mod kek;
mod transit;

pub use envelope::{Sealed, open, open_at, seal, seal_at};
pub use kek::{LocalKek, Wrap};
pub use transit::Transit;

use remit_core::entropy::NoEntropy;

/// A value that cannot be sealed or opened. Nothing of it is said.
#[derive(Clone, Debug, thiserror::Error)]
pub enum VaultError {
    /// It was changed, belongs to another secret, or was wrapped under another key.
    #[error("the sealed value does not open here: it was changed, moved, or sealed under another key")]
    Broken,
    /// The key-encryption key is elsewhere, and that place does not answer.
    #[error("the key-encryption key cannot be used: {0}")]
    Away(String),
    /// No randomness.
    #[error("the system gave no randomness; refusing to go on without it")]
    Entropy,
}

impl From<NoEntropy> for VaultError {
    fn from(_: NoEntropy) -> Self {
        Self::Entropy
    }
}
