//! The RFC 6962 tree: numbering of stored hashes, the growing edge, proofs and their verification.
//!
//! Nothing here reads a database. What needs stored hashes takes a closure that is asked once for all the
//! indexes it needs, so that a store can answer with one query:
//!
//! ```
//! use remit_ledger::tree::{self, Frontier};
//! use remit_ledger::{Hash, leaf_hash};
//!
//! let mut stored: Vec<Hash> = Vec::new(); // the table `index → hash`
//! let mut frontier = Frontier::new();
//! let batch = frontier.extend([leaf_hash(b"a"), leaf_hash(b"b"), leaf_hash(b"c")])?;
//! assert_eq!(batch.first_index, 0);
//! stored.extend(batch.hashes);
//!
//! let read = |indexes: &[u64]| {
//!     Ok::<_, std::convert::Infallible>(indexes.iter().map(|&i| stored[i as usize]).collect())
//! };
//! let proof = tree::prove_inclusion(1, 3, read)?;
//! tree::verify_inclusion(&leaf_hash(b"b"), 1, 3, &proof, &frontier.root())?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod check;
mod frontier;
mod index;
mod prove;

pub use check::{ProofError, verify_consistency, verify_inclusion};
pub use frontier::{Batch, Frontier};
pub use index::{stored_hash_count, stored_hash_index, stored_hash_position};
pub use prove::{ReadError, prove_consistency, prove_inclusion, root};

/// Most leaves a tree may have: what a JSON number counts exactly.
pub const SIZE_MAX: u64 = (1 << 53) - 1;
