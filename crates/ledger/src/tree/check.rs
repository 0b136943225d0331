//! Verifying proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2, which spell out RFC 6962's).

use super::SIZE_MAX;
use crate::hash::{Hash, node_hash};

/// Why a proof does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The tree would have more leaves than the format allows.
    #[error("a tree of {0} leaves is larger than the format allows")]
    Size(u64),
    /// The leaf lies outside the tree.
    #[error("leaf {index} lies outside a tree of {size} leaves")]
    Index {
        /// Zero-based leaf.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("the older tree has {old} leaves, the newer only {new}")]
    Order {
        /// Leaves of the older tree.
        old: u64,
        /// Leaves of the newer tree.
        new: u64,
    },
    /// The proof has another length than its place in the tree asks for.
    #[error("the proof has {got} hashes where the tree needs {want}")]
    Length {
        /// Hashes needed.
        want: usize,
        /// Hashes found.
        got: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to another root than the checkpoint's")]
    Root,
}

/// Verifies that `leaf` is leaf `index` of the tree of `size` leaves under `root`.
///
/// # Errors
/// [`ProofError`] says what does not fit; a proof of any other length than the right one is refused.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if size > SIZE_MAX {
        return Err(ProofError::Size(size));
    }
    if index >= size {
        return Err(ProofError::Index { index, size });
    }
    let last = size - 1;
    // Below the level where the paths of this leaf and the last one part there is a sibling at each level;
    // above it only where this leaf's subtree is a right child.
    let shared = u64::BITS - (index ^ last).leading_zeros();
    let above = index.checked_shr(shared).unwrap_or(0).count_ones();
    let want = (shared + above) as usize;
    if proof.len() != want {
        return Err(ProofError::Length {
            want,
            got: proof.len(),
        });
    }
    let mut hash = *leaf;
    for (level, sibling) in (0_u32..).zip(proof) {
        hash = if level >= shared || (index >> level) & 1 == 1 {
            node_hash(sibling, &hash)
        } else {
            node_hash(&hash, sibling)
        };
    }
    if hash == *root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Verifies that the tree of `new` leaves under `new_root` begins with the tree of `old` leaves under `old_root`.
///
/// # Errors
/// [`ProofError`] says what does not fit. `old` = 0 is consistent with everything and takes an empty proof.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if new > SIZE_MAX {
        return Err(ProofError::Size(new));
    }
    if old > new {
        return Err(ProofError::Order { old, new });
    }
    if old == 0 || old == new {
        if !proof.is_empty() {
            return Err(ProofError::Length {
                want: 0,
                got: proof.len(),
            });
        }
        let holds = if old == 0 {
            *old_root == crate::hash::empty_root()
        } else {
            old_root == new_root
        };
        return if holds { Ok(()) } else { Err(ProofError::Root) };
    }
    // Climb from the last leaf of the old tree; a complete old tree is its own starting point.
    let start = old.trailing_zeros();
    let (mut node, mut last) = ((old - 1) >> start, (new - 1) >> start);
    let want = usize::from(!old.is_power_of_two()) + path_len(node, last);
    if proof.len() != want {
        return Err(ProofError::Length {
            want,
            got: proof.len(),
        });
    }
    let mut hashes = proof.iter();
    let seed = if old.is_power_of_two() {
        old_root
    } else {
        hashes.next().unwrap_or(old_root)
    };
    let (mut old_hash, mut new_hash) = (*seed, *seed);
    for sibling in hashes {
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            new_hash = node_hash(sibling, &new_hash);
            while node & 1 == 0 && node != 0 {
                (node, last) = (node >> 1, last >> 1);
            }
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if old_hash == *old_root && new_hash == *new_root {
        Ok(())
    } else {
        Err(ProofError::Root)
    }
}

/// Siblings between `node` and the root of a tree whose last node on that level is `last`.
fn path_len(node: u64, last: u64) -> usize {
    let shared = u64::BITS - (node ^ last).leading_zeros();
    (shared + node.checked_shr(shared).unwrap_or(0).count_ones()) as usize
}
