//! The tamper-evident log: RFC 6962 tree, C2SP checkpoints and proofs, offline verification.
//!
//! Pure: no clock, no files, no network. The store keeps the rows, this crate says what they mean.

mod base64;
mod checkpoint;
mod hash;
pub mod note;
pub mod tree;

pub use checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
