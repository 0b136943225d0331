//! The growing edge of two trees at once: one computed from the records, one from the stored hashes.
//!
//! Where the two agree there is nothing to keep. Where they differ, each subtree carries the records that must be
//! wrong *if its stored hash is right*; a signed root then says which of the two trees to believe, and with it how
//! closely a change can be located.

use std::collections::VecDeque;

use crate::hash::{Hash, empty_root, node_hash};
use crate::tree::{Frontier, stored_hash_count, stored_hash_index, stored_hash_position};

/// Most differences kept between two checkpoints; beyond it, what is reported stays true but coarser.
const DIFFERENCES_MAX: usize = 1000;
/// Most stored hashes kept ahead once some are missing, so that a few lines cannot claim all memory.
const GAP_MAX: u64 = 1 << 20;

/// Which stored hashes the verifier is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    /// None: changes are located between two checkpoints.
    Nothing,
    /// Leaf hashes, as an export carries them.
    Leaves,
    /// All stored hashes, as the store keeps them.
    All,
}

/// A stored hash that differs from the computed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Difference {
    /// Level of the node, 0 = leaf.
    pub level: u32,
    /// Number of the node on its level.
    pub n: u64,
    /// Whether there is no stored hash at all.
    pub missing: bool,
}

/// What a signed root says about the two trees.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The records are what was signed; these stored hashes are not what they should be.
    Records(Vec<Difference>),
    /// The stored hashes are what was signed; these ranges of records (inclusive) are not.
    Stored(Vec<(u64, u64)>),
    /// Neither is.
    Neither,
}

struct Peak {
    computed: Hash,
    stored: Option<Hash>,
    /// Ranges of records (inclusive) that are wrong if `stored` is right.
    wrong: Vec<(u64, u64)>,
}

/// Both edges.
pub(super) struct Edge {
    given: Given,
    size: u64,
    peaks: Vec<Peak>,
    queue: VecDeque<Option<Hash>>,
    /// Index of the first hash in `queue`: a leaf for [`Given::Leaves`], a stored hash index for [`Given::All`].
    base: u64,
    differences: Vec<Difference>,
}

impl Edge {
    /// The edge of a log that begins after `start`.
    pub(super) fn new(start: &Frontier) -> Self {
        let peak = |hash: &Hash| Peak {
            computed: *hash,
            stored: Some(*hash),
            wrong: Vec::new(),
        };
        Self {
            given: Given::Nothing,
            size: start.size(),
            peaks: start.peaks().iter().map(peak).collect(),
            queue: VecDeque::new(),
            base: 0,
            differences: Vec::new(),
        }
    }

    /// Records appended so far.
    pub(super) const fn size(&self) -> u64 {
        self.size
    }

    /// Takes stored hashes; false when they lie so far ahead that they cannot belong here.
    pub(super) fn give(&mut self, leaves: bool, first: u64, hashes: &[Hash]) -> bool {
        let given = if leaves { Given::Leaves } else { Given::All };
        if self.given != given {
            self.given = given;
            self.queue.clear();
            self.base = if leaves {
                self.size
            } else {
                stored_hash_count(self.size)
            };
        }
        let end = self.base + self.queue.len() as u64;
        let gap = first.saturating_sub(end);
        if gap > 0 && self.queue.len() as u64 + gap > GAP_MAX {
            return false;
        }
        self.queue.extend((0..gap).map(|_| None));
        let known = usize::try_from(end.saturating_sub(first)).unwrap_or(usize::MAX);
        self.queue.extend(hashes.iter().skip(known).copied().map(Some));
        true
    }

    /// The stored hash of the leaf `seq`, if it was given and is still ahead.
    pub(super) fn leaf_ahead(&self, seq: u64) -> Option<Hash> {
        let index = match self.given {
            Given::Nothing => return None,
            Given::Leaves => seq,
            Given::All => stored_hash_index(0, seq),
        };
        let at = usize::try_from(index.checked_sub(self.base)?).ok()?;
        self.queue.get(at).copied().flatten()
    }

    /// Leaves of the tree that the stored hashes given so far belong to.
    pub(super) fn stored_size(&self) -> u64 {
        let end = self.base + self.queue.len() as u64;
        match self.given {
            Given::All if !self.queue.is_empty() => {
                let (level, n) = stored_hash_position(end - 1);
                (n + 1) << level
            }
            Given::Leaves => end,
            _ => self.size,
        }
    }

    /// Appends a record that is there.
    pub(super) fn append(&mut self, computed: Hash) {
        let stored = if self.given == Given::Nothing {
            Some(computed)
        } else {
            self.pop()
        };
        self.grow(computed, stored);
    }

    /// Appends a record that is not there by its stored hash; false when that is not there either.
    pub(super) fn append_missing(&mut self) -> bool {
        let Some(stored) = self.leaf_ahead(self.size) else {
            return false;
        };
        self.pop();
        self.grow(stored, Some(stored));
        true
    }

    fn pop(&mut self) -> Option<Hash> {
        self.base += 1;
        self.queue.pop_front().flatten()
    }

    fn grow(&mut self, computed: Hash, stored: Option<Hash>) {
        let seq = self.size;
        let mut node = Peak {
            computed,
            stored,
            wrong: Vec::new(),
        };
        if stored != Some(computed) {
            self.differ(0, seq, stored);
            if stored.is_some() {
                node.wrong.push((seq, seq));
            }
        }
        for level in 1..=seq.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = self.join(level, seq >> level, left, node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    fn join(&mut self, level: u32, n: u64, left: Peak, right: Peak) -> Peak {
        let computed = node_hash(&left.computed, &right.computed);
        let agree = left.stored == Some(left.computed) && right.stored == Some(right.computed);
        let from_children = match (&left.stored, &right.stored) {
            _ if agree => Some(computed),
            (Some(left), Some(right)) => Some(node_hash(left, right)),
            _ => None,
        };
        let own = if self.given == Given::All {
            self.pop()
        } else {
            from_children
        };
        if self.given == Given::All && own != Some(computed) {
            self.differ(level, n, own);
        }
        let stored = own.or(from_children);
        if stored == Some(computed) {
            return Peak {
                computed,
                stored,
                wrong: Vec::new(),
            };
        }
        let mut wrong = left.wrong;
        wrong.extend(right.wrong);
        if stored != from_children || wrong.is_empty() || wrong.len() > DIFFERENCES_MAX {
            // The stored children do not hash to the stored node, or say nothing: it is somewhere below.
            let first = n << level;
            wrong = vec![(first, first + (1 << level) - 1)];
        }
        Peak {
            computed,
            stored,
            wrong,
        }
    }

    fn differ(&mut self, level: u32, n: u64, stored: Option<Hash>) {
        if self.differences.len() < DIFFERENCES_MAX {
            self.differences.push(Difference {
                level,
                n,
                missing: stored.is_none(),
            });
        }
    }

    /// Holds both trees against a signed root. What was signed replaces what was not, and the record of
    /// differences starts anew.
    pub(super) fn judge(&mut self, root: &Hash) -> Verdict {
        let computed = fold(self.peaks.iter().rev().map(|peak| Some(peak.computed)));
        if computed == Some(*root) {
            for peak in &mut self.peaks {
                peak.stored = Some(peak.computed);
                peak.wrong.clear();
            }
            return Verdict::Records(std::mem::take(&mut self.differences));
        }
        if fold(self.peaks.iter().rev().map(|peak| peak.stored)) != Some(*root) {
            return Verdict::Neither;
        }
        self.differences.clear();
        let mut wrong = Vec::new();
        for peak in &mut self.peaks {
            peak.computed = peak.stored.unwrap_or(peak.computed);
            wrong.append(&mut peak.wrong);
        }
        Verdict::Stored(wrong)
    }

    /// Whether the records are what was signed, without drawing conclusions.
    pub(super) fn is_root(&self, root: &Hash) -> bool {
        fold(self.peaks.iter().rev().map(|peak| Some(peak.computed))) == Some(*root)
    }

    /// What is left at the end: ranges of records (inclusive) that differ from stored hashes no checkpoint
    /// covers. A hash that is missing says nothing: the tree follows behind the records.
    pub(super) fn unsigned(&self) -> Vec<(u64, u64)> {
        let wrong = |leaf: bool| {
            let wanted = move |one: &&Difference| !one.missing && (one.level == 0) == leaf;
            let range = |one: &Difference| (one.n << one.level, ((one.n + 1) << one.level) - 1);
            self.differences
                .iter()
                .filter(wanted)
                .map(range)
                .collect::<Vec<_>>()
        };
        let leaves = wrong(true);
        if leaves.is_empty() { wrong(false) } else { leaves }
    }
}

/// The root over subtree roots given smallest first; `None` when one of them is not known.
fn fold(mut peaks: impl Iterator<Item = Option<Hash>>) -> Option<Hash> {
    match peaks.next() {
        None => Some(empty_root()),
        Some(last) => peaks.try_fold(last?, |right, left| Some(node_hash(&left?, &right))),
    }
}
