//! Where a hash of the tree is stored: the numbering of the Go checksum database.
//!
//! Each leaf is followed by the inner nodes it completes, so appending a leaf appends hashes and the table of
//! `index → hash` only ever grows at its end: leaf 0 is at 0, leaf 1 at 1, their parent at 2, leaf 2 at 3, ...

/// Index of the stored hash of node `n` (zero-based, from the left) of `level` (0 = leaves).
///
/// Total for every node of a tree of at most [`super::SIZE_MAX`] leaves; beyond that it saturates.
#[must_use]
pub const fn stored_hash_index(level: u32, n: u64) -> u64 {
    // The node is stored right after the last leaf below it, above the levels that leaf completed first.
    let width = match 1_u64.checked_shl(level) {
        Some(width) => width,
        None => return u64::MAX,
    };
    let last_leaf = n.saturating_add(1).saturating_mul(width).saturating_sub(1);
    leaf_index(last_leaf).saturating_add(level as u64)
}

/// Number of stored hashes of a tree of `size` leaves; also the index that the next leaf gets.
#[must_use]
pub const fn stored_hash_count(size: u64) -> u64 {
    leaf_index(size)
}

/// The node `(level, n)` stored at `index`: the reverse of [`stored_hash_index`].
#[must_use]
pub fn stored_hash_position(index: u64) -> (u32, u64) {
    // leaf_index(n) lies between n and 2n, so the leaf is at least half the index.
    let mut leaf = index / 2;
    while leaf_index(leaf + 1) <= index {
        leaf += 1;
    }
    let level = u32::try_from(index - leaf_index(leaf)).unwrap_or(u32::MAX);
    (level, leaf.checked_shr(level).unwrap_or(0))
}

/// Each leaf before `n` stored itself; together they completed n - popcount(n) inner nodes.
const fn leaf_index(n: u64) -> u64 {
    n.saturating_mul(2).saturating_sub(n.count_ones() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbering_follows_the_order_of_completion() {
        let mut next = 0_u64;
        for leaf in 0..2_000_u64 {
            assert_eq!(stored_hash_count(leaf), next);
            let (mut level, mut n) = (0_u32, leaf);
            loop {
                assert_eq!(stored_hash_index(level, n), next, "level {level} node {n}");
                assert_eq!(stored_hash_position(next), (level, n));
                next += 1;
                if n & 1 == 0 {
                    break;
                }
                (level, n) = (level + 1, n >> 1);
            }
        }
    }

    #[test]
    fn large_positions_round_trip() {
        for (level, n) in [
            (0, crate::tree::SIZE_MAX - 1),
            (10, 1 << 40),
            (52, 0),
            (0, 1 << 52),
        ] {
            assert_eq!(stored_hash_position(stored_hash_index(level, n)), (level, n));
        }
    }
}
