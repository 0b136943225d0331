//! The definitions of RFC 6962 section 2.1 written down as they stand there: slow, recursive, obviously right.

use remit_ledger::{Hash, empty_root, leaf_hash, node_hash};

fn split(n: usize) -> usize {
    n.next_power_of_two() / 2
}

/// MTH(D[n])
pub fn root(entries: &[Vec<u8>]) -> Hash {
    match entries {
        [] => empty_root(),
        [one] => leaf_hash(one),
        more => {
            let k = split(more.len());
            node_hash(&root(&more[..k]), &root(&more[k..]))
        }
    }
}

/// PATH(m, D[n])
pub fn path(m: usize, entries: &[Vec<u8>]) -> Vec<Hash> {
    if entries.len() <= 1 {
        return Vec::new();
    }
    let k = split(entries.len());
    let (mut proof, other) = if m < k {
        (path(m, &entries[..k]), root(&entries[k..]))
    } else {
        (path(m - k, &entries[k..]), root(&entries[..k]))
    };
    proof.push(other);
    proof
}

/// PROOF(m, D[n])
pub fn consistency(m: usize, entries: &[Vec<u8>]) -> Vec<Hash> {
    if m == 0 {
        Vec::new()
    } else {
        subproof(m, entries, true)
    }
}

fn subproof(m: usize, entries: &[Vec<u8>], whole: bool) -> Vec<Hash> {
    if m == entries.len() {
        return if whole { Vec::new() } else { vec![root(entries)] };
    }
    let k = split(entries.len());
    let (mut proof, other) = if m <= k {
        (subproof(m, &entries[..k], whole), root(&entries[k..]))
    } else {
        (subproof(m - k, &entries[k..], false), root(&entries[..k]))
    };
    proof.push(other);
    proof
}
