//! Making proofs from stored hashes (RFC 6962 sections 2.1.1 and 2.1.2).

use super::frontier::{fold_right, peaks};
use super::index::stored_hash_index;
use super::{ProofError, SIZE_MAX};
use crate::hash::{Hash, empty_root};

/// Why a proof could not be made.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError<E> {
    /// The caller asked for what no tree of that size has.
    #[error(transparent)]
    Asked(#[from] ProofError),
    /// The stored hashes could not be read.
    #[error("stored hashes could not be read")]
    Read(#[source] E),
    /// The store answered with another number of hashes than it was asked for.
    #[error("asked for {want} stored hashes, got {got}: the table of hashes has gaps")]
    Gap {
        /// Hashes asked for.
        want: usize,
        /// Hashes received.
        got: usize,
    },
}

/// Root of the tree of the first `size` leaves.
///
/// # Errors
/// When `size` is too large, `read` fails or answers with another number of hashes.
pub fn root<E>(size: u64, read: impl FnOnce(&[u64]) -> Result<Vec<Hash>, E>) -> Result<Hash, ReadError<E>> {
    super::Frontier::restore(size, read).map(|frontier| frontier.root())
}

/// Inclusion proof of leaf `index` in the tree of the first `size` leaves, from the leaf's sibling upwards:
/// at most 53 hashes. `read` is asked once.
///
/// # Errors
/// When `index` is not below `size`, `read` fails or answers with another number of hashes.
pub fn prove_inclusion<E>(
    index: u64,
    size: u64,
    read: impl FnOnce(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, ReadError<E>> {
    if size > SIZE_MAX {
        return Err(ProofError::Size(size).into());
    }
    if index >= size {
        return Err(ProofError::Index { index, size }.into());
    }
    let mut ranges = Vec::new();
    let (mut from, mut to) = (0, size);
    while to - from > 1 {
        let split = from + split(to - from);
        if index < split {
            ranges.push((split, to));
            to = split;
        } else {
            ranges.push((from, split));
            from = split;
        }
    }
    ranges.reverse();
    hash_ranges(&ranges, read)
}

/// Consistency proof between the trees of the first `old` and the first `new` leaves. `read` is asked once.
///
/// Empty when `old` is 0 or equal to `new`: there is nothing to prove.
///
/// # Errors
/// When `old` is above `new`, `read` fails or answers with another number of hashes.
pub fn prove_consistency<E>(
    old: u64,
    new: u64,
    read: impl FnOnce(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, ReadError<E>> {
    if new > SIZE_MAX {
        return Err(ProofError::Size(new).into());
    }
    if old > new {
        return Err(ProofError::Order { old, new }.into());
    }
    if old == 0 || old == new {
        return Ok(Vec::new());
    }
    let mut ranges = Vec::new();
    let (mut from, mut to) = (0, new);
    while old != to {
        let split = from + split(to - from);
        if old <= split {
            ranges.push((split, to));
            to = split;
        } else {
            ranges.push((from, split));
            from = split;
        }
    }
    // The old tree is then one subtree; its root needs no telling when it is the whole old tree.
    if from != 0 {
        ranges.push((from, to));
    }
    ranges.reverse();
    hash_ranges(&ranges, read)
}

/// The largest power of two below `n`, for `n` ≥ 2 (RFC 6962 section 2.1).
fn split(n: u64) -> u64 {
    1 << (n - 1).checked_ilog2().unwrap_or(0)
}

fn hash_ranges<E>(
    ranges: &[(u64, u64)],
    read: impl FnOnce(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, ReadError<E>> {
    let nodes = |&(from, to): &(u64, u64)| peaks(from, to);
    let indexes: Vec<u64> = ranges
        .iter()
        .flat_map(nodes)
        .map(|(level, n)| stored_hash_index(level, n))
        .collect();
    let hashes = ask(&indexes, read)?;
    let mut rest = hashes.as_slice();
    let mut out = Vec::with_capacity(ranges.len());
    for range in ranges {
        let (own, after) = rest.split_at_checked(nodes(range).count()).unwrap_or((rest, &[]));
        rest = after;
        out.push(fold_right(own).unwrap_or_else(empty_root));
    }
    Ok(out)
}

/// Asks for `indexes` and holds the answer to that number.
pub(super) fn ask<E>(
    indexes: &[u64],
    read: impl FnOnce(&[u64]) -> Result<Vec<Hash>, E>,
) -> Result<Vec<Hash>, ReadError<E>> {
    if indexes.is_empty() {
        return Ok(Vec::new());
    }
    let hashes = read(indexes).map_err(ReadError::Read)?;
    if hashes.len() == indexes.len() {
        Ok(hashes)
    } else {
        Err(ReadError::Gap {
            want: indexes.len(),
            got: hashes.len(),
        })
    }
}
