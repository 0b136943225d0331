//! The growing edge of the tree: enough hashes to append leaves and know the root, nothing more.

use super::index::{stored_hash_count, stored_hash_index};
use super::prove::{ReadError, ask};
use super::{ProofError, SIZE_MAX};
use crate::hash::{Hash, empty_root, node_hash};

/// The roots of the complete subtrees of a tree of `size` leaves, largest first: one per set bit of `size`.
///
/// Appending costs one hash per leaf on average, the root at most 53.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

/// New stored hashes of one append: `hashes[k]` belongs at `first_index + k`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// Index of the first hash: [`stored_hash_count`] of the size before the append.
    pub first_index: u64,
    /// The hashes, in index order.
    pub hashes: Vec<Hash>,
    /// Leaves in the tree after the append.
    pub size: u64,
    /// Root of the tree after the append.
    pub root: Hash,
}

impl Frontier {
    /// The empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            size: 0,
            peaks: Vec::new(),
        }
    }

    /// The frontier of a stored tree of `size` leaves: `read` is asked once, for at most 53 hashes.
    ///
    /// # Errors
    /// When `size` is too large, `read` fails or answers with another number of hashes.
    pub fn restore<E>(
        size: u64,
        read: impl FnOnce(&[u64]) -> Result<Vec<Hash>, E>,
    ) -> Result<Self, ReadError<E>> {
        let peaks = ask(&Self::indexes(size)?, read)?;
        Ok(Self { size, peaks })
    }

    /// The frontier from its parts, as an export carries them.
    ///
    /// # Errors
    /// [`ProofError::Length`] when `peaks` is not one hash per set bit of `size`, [`ProofError::Size`] when `size` is too large.
    pub fn from_parts(size: u64, peaks: Vec<Hash>) -> Result<Self, ProofError> {
        if size > SIZE_MAX {
            return Err(ProofError::Size(size));
        }
        if peaks.len() != size.count_ones() as usize {
            return Err(ProofError::Length {
                want: size.count_ones() as usize,
                got: peaks.len(),
            });
        }
        Ok(Self { size, peaks })
    }

    /// Stored hash indexes of the peaks of a tree of `size` leaves, largest subtree first.
    ///
    /// # Errors
    /// [`ProofError::Size`] beyond [`SIZE_MAX`].
    pub fn indexes(size: u64) -> Result<Vec<u64>, ProofError> {
        if size > SIZE_MAX {
            return Err(ProofError::Size(size));
        }
        Ok(peaks(0, size)
            .map(|(level, n)| stored_hash_index(level, n))
            .collect())
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, largest first.
    #[must_use]
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Root of the tree (RFC 6962 section 2.1).
    #[must_use]
    pub fn root(&self) -> Hash {
        fold_right(&self.peaks).unwrap_or_else(empty_root)
    }

    /// Appends one leaf and hands each new stored hash to `store`, in index order.
    ///
    /// # Errors
    /// [`ProofError::Size`] when the tree is full; nothing is appended then.
    pub fn append(&mut self, leaf: Hash, mut store: impl FnMut(Hash)) -> Result<(), ProofError> {
        if self.size >= SIZE_MAX {
            return Err(ProofError::Size(self.size));
        }
        let mut hash = leaf;
        store(hash);
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                hash = node_hash(&left, &hash);
                store(hash);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }

    /// Appends leaves and returns the hashes to store.
    ///
    /// # Errors
    /// [`ProofError::Size`] when the tree is full; the leaves before that one are appended and lost to the caller.
    pub fn extend(&mut self, leaves: impl IntoIterator<Item = Hash>) -> Result<Batch, ProofError> {
        let first_index = stored_hash_count(self.size);
        let mut hashes = Vec::new();
        for leaf in leaves {
            self.append(leaf, |hash| hashes.push(hash))?;
        }
        Ok(Batch {
            first_index,
            hashes,
            size: self.size,
            root: self.root(),
        })
    }
}

/// Nodes `(level, n)` whose leaves are exactly `from..to`, left to right; the largest that fit.
///
/// `from` must be a multiple of the largest power of two not above `to - from`, as it is for every subtree that
/// RFC 6962 splits off.
pub(super) fn peaks(from: u64, to: u64) -> impl Iterator<Item = (u32, u64)> {
    let mut at = from;
    std::iter::from_fn(move || {
        let level = to.checked_sub(at)?.checked_ilog2()?;
        let n = at >> level;
        at += 1 << level;
        Some((level, n))
    })
}

/// Root over subtree roots, largest first: RFC 6962 hashes them together from the right.
pub(super) fn fold_right(peaks: &[Hash]) -> Option<Hash> {
    let (last, rest) = peaks.split_last()?;
    Some(
        rest.iter()
            .rev()
            .fold(*last, |right, left| node_hash(left, &right)),
    )
}
