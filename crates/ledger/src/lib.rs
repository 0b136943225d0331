//! The tamper-evident log: RFC 6962 tree, C2SP checkpoints and proofs, offline verification.
//!
//! Pure: no clock, no files, no network. The store keeps the rows, this crate says what they mean.

mod base64;
mod checkpoint;
pub mod export;
mod hash;
pub mod note;
mod proof;
pub mod record;
pub mod tree;
pub mod verify;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use proof::{LogProof, LogProofError};
