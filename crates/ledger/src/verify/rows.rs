//! Which record a row is, when it says something else than its place does.

use crate::hash::Hash;
use crate::record::scan::{Facts, Flaw};

/// A row as it was read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub hash: Hash,
    pub facts: Result<Facts, Flaw>,
}

/// What a row in the wrong place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The record of this place, changed.
    Here,
    /// The record it says, and those in front of it are missing.
    AfterGap(u64),
    /// No record of this log, or one that was counted already.
    Nowhere,
}

/// What comes after a row in question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// A row that says this place.
    Seq(u64),
    /// A row that says nothing readable.
    Unreadable,
    /// Nothing; the largest signed size known.
    End(u64),
}

impl Row {
    /// The place the row says.
    pub(super) const fn seq(&self) -> Option<u64> {
        match self.facts {
            Ok(facts) => Some(facts.seq),
            Err(_) => None,
        }
    }

    /// Decides what this row is at place `at`. `is_stored(seq)` tells whether a stored leaf hash ahead vouches
    /// for the row; without stored hashes the row after it tells best.
    pub(super) fn place(&self, at: u64, next: Next, is_stored: impl Fn(u64) -> bool) -> Place {
        if is_stored(at) || next == Next::Seq(at + 1) {
            return Place::Here;
        }
        if next == Next::Seq(at) {
            return Place::Nowhere;
        }
        if let Some(seq) = self.seq()
            && seq > at
            && is_stored(seq)
        {
            return Place::AfterGap(seq);
        }
        match (self.seq(), next) {
            (Some(seq), Next::Seq(next)) if seq > at && next > seq => Place::AfterGap(seq),
            (Some(seq), Next::End(size)) if seq > at && seq + 1 == size => Place::AfterGap(seq),
            (Some(seq), Next::Seq(next)) if seq < at && next == seq + 1 => Place::Nowhere,
            (_, Next::End(size)) if at >= size => Place::Nowhere,
            _ => Place::Here,
        }
    }
}
