//! Offline verification: records, stored hashes and signed checkpoints in, a report with places out.
//!
//! The verifier is fed, it reads nothing: [`crate::export::verify`] feeds it an export, the store feeds it its
//! tables. Feed checkpoints and held checkpoints first (or before the records they cover), stored hashes before
//! their records, records in order of their rows. It keeps O(log n) hashes and one row.
//!
//! It vouches for leaves alone. Columns kept beside a leaf are copies: whoever reads them compares them.

mod edge;
mod finding;
mod judge;
mod rows;

use std::collections::VecDeque;

use edge::Edge;
use finding::FINDINGS_MAX;
pub use finding::{Finding, Kind, Report};
use rows::{Next, Place, Row};

use crate::checkpoint::{CheckpointError, SignedCheckpoint};
use crate::hash::{Hash, leaf_hash};
use crate::note::VerifierKey;
use crate::record::scan;
use crate::tree::Frontier;

/// Verifies one log.
pub struct Verifier {
    origin: String,
    keys: Vec<VerifierKey>,
    first: u64,
    edge: Edge,
    /// Heads not reached yet, by size.
    ahead: VecDeque<Head>,
    /// Largest size of any signed head.
    signed_size: u64,
    /// Largest size of any head held outside.
    held_size: u64,
    /// Size of the checkpoint of the log read last.
    last_size: Option<u64>,
    /// Checkpoints read, good or bad.
    read: u64,
    /// Records below this are what was signed.
    good: u64,
    /// Records below this are what an externally held checkpoint says.
    good_held: u64,
    /// A row that does not say its place, until the next one tells more.
    waiting: Option<Row>,
    /// Records of this segment that break the format: reported if they were signed that way.
    odd: Vec<Finding>,
    missing: Vec<(u64, u64)>,
    extra: Vec<Finding>,
    /// A head that fitted nothing, and where its finding is: a later head may prove it a contradiction.
    doubt: Option<(usize, u64, bool)>,
    /// The head covers all records: an export has no tail.
    sealed: bool,
    /// The tree cannot be computed any more: records are missing and so are their hashes.
    lost: bool,
    last_time_ms: u64,
    report: Report,
}

struct Head {
    signed: SignedCheckpoint,
    held: bool,
}

impl Verifier {
    /// A verifier for the log `origin`, whose checkpoints one of `keys` signs.
    #[must_use]
    pub fn new(origin: &str, keys: &[VerifierKey]) -> Self {
        Self::starting_at(origin, keys, &Frontier::new())
    }

    /// A verifier for a part of the log that begins after `start`; a checkpoint at the end of the part proves
    /// `start` along with the part.
    #[must_use]
    pub fn starting_at(origin: &str, keys: &[VerifierKey], start: &Frontier) -> Self {
        let first = start.size();
        Self {
            origin: origin.to_owned(),
            keys: keys.to_vec(),
            first,
            edge: Edge::new(start),
            ahead: VecDeque::new(),
            signed_size: 0,
            held_size: 0,
            last_size: None,
            read: 0,
            good: first,
            good_held: first,
            waiting: None,
            odd: Vec::new(),
            missing: Vec::new(),
            extra: Vec::new(),
            doubt: None,
            sealed: false,
            lost: false,
            last_time_ms: 0,
            report: Report {
                first,
                records: 0,
                checkpoints: 0,
                held: 0,
                head: None,
                tail: 0,
                findings: Vec::new(),
                more: 0,
            },
        }
    }

    /// Adds a checkpoint that was kept outside. Call before the first record.
    ///
    /// # Errors
    /// When it is not a checkpoint of this log signed by a known key: then it proves nothing about this log.
    pub fn hold(&mut self, note: &[u8]) -> Result<(), CheckpointError> {
        let signed = SignedCheckpoint::verify(note, &self.origin, &self.keys)?;
        if signed.size() < self.edge.size() {
            return Err(CheckpointError::Before {
                size: signed.size(),
                first: self.edge.size(),
            });
        }
        self.held_size = self.held_size.max(signed.size());
        self.expect(Head { signed, held: true });
        Ok(())
    }

    /// Adds the newest checkpoint of the log ahead of the others and declares that it covers all records.
    pub fn sealed_by(&mut self, note: &[u8]) {
        self.sealed = true;
        match SignedCheckpoint::verify(note, &self.origin, &self.keys) {
            Ok(signed) if signed.size() >= self.first => self.expect(Head { signed, held: false }),
            Ok(signed) => self.doubtful_checkpoint(signed.size(), "it covers none of these records"),
            Err(error) => self.doubtful_checkpoint(self.good, &error.to_string()),
        }
    }

    /// Records taken so far, from the start of the log; one row may still be in question.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.edge.size()
    }

    /// Adds the next checkpoint of the log, at the latest with the last record it covers.
    pub fn checkpoint(&mut self, note: &[u8]) {
        self.read += 1;
        let signed = match SignedCheckpoint::verify(note, &self.origin, &self.keys) {
            Ok(signed) => signed,
            Err(error) => {
                return self.doubtful_checkpoint(self.last_size.unwrap_or(self.good), &error.to_string());
            }
        };
        let size = signed.size();
        if self.last_size.is_some_and(|last| size <= last) {
            return self.doubtful_checkpoint(size, "it is not newer than the one in front of it");
        }
        self.last_size = Some(size);
        if size < self.edge.size() {
            return self.doubtful_checkpoint(size, "it comes after records it does not cover");
        }
        self.expect(Head { signed, held: false });
    }

    fn doubtful_checkpoint(&mut self, size: u64, why: &str) {
        let note = format!("checkpoint number {} from the start: {why}", self.read);
        self.find(
            Kind::Checkpoint,
            size.min(self.good),
            size.saturating_sub(1),
            note,
        );
    }

    fn expect(&mut self, head: Head) {
        self.signed_size = self.signed_size.max(head.signed.size());
        let at = self
            .ahead
            .partition_point(|other| other.signed.size() <= head.signed.size());
        self.ahead.insert(at, head);
        self.judge();
    }

    /// Adds stored hashes from index `first` on (numbering of [`crate::tree::stored_hash_index`]).
    pub fn stored_hashes(&mut self, first: u64, hashes: &[Hash]) {
        self.give(false, first, hashes);
    }

    /// Adds stored leaf hashes from leaf `first` on, where the inner ones are not kept.
    pub fn leaf_hashes(&mut self, first: u64, hashes: &[Hash]) {
        self.give(true, first, hashes);
    }

    fn give(&mut self, leaves: bool, first: u64, hashes: &[Hash]) {
        if !self.edge.give(leaves, first, hashes) {
            let note = format!("stored hash {first} lies far behind the last one");
            let size = self.edge.size();
            self.find(Kind::StoredHash, size, size, note);
        }
    }

    /// Notes that what carries the records is damaged at this place, in its own words.
    pub fn damaged(&mut self, note: String) {
        let at = self.edge.size();
        self.find(Kind::Damaged, at, at, note);
    }

    /// Adds the next row: the bytes of its leaf.
    pub fn record(&mut self, leaf: &[u8]) {
        self.report.records += 1;
        let row = Row {
            hash: leaf_hash(leaf),
            facts: scan::scan(leaf),
        };
        if let Some(waiting) = self.waiting.take() {
            self.settle(waiting, row.seq().map_or(Next::Unreadable, Next::Seq));
        }
        if row.seq() == Some(self.edge.size()) {
            self.append(row);
        } else {
            self.waiting = Some(row);
        }
    }

    /// Decides about a row that does not say its place.
    fn settle(&mut self, row: Row, next: Next) {
        let at = self.edge.size();
        match row.place(at, next, |seq| self.edge.leaf_ahead(seq) == Some(row.hash)) {
            Place::Here => self.append(row),
            Place::AfterGap(seq) => {
                self.missing.push((at, seq - 1));
                self.skip_to(seq);
                self.append(row);
            }
            Place::Nowhere => {
                let note = row.seq().map_or_else(
                    || "it is not a record".to_owned(),
                    |seq| format!("it says it is record {seq}"),
                );
                let from = row.seq().unwrap_or(at);
                if self.extra.len() < FINDINGS_MAX {
                    self.extra.push(Finding {
                        kind: Kind::Extra,
                        from,
                        to: at,
                        note,
                    });
                } else {
                    self.report.more += 1;
                }
            }
        }
    }

    /// Fills a gap with stored hashes, so that what follows can still be verified.
    fn skip_to(&mut self, seq: u64) {
        while self.edge.size() < seq {
            if !self.edge.append_missing() {
                self.lost = true;
                self.edge = Edge::new(
                    &Frontier::from_parts(seq, vec![Hash([0; 32]); seq.count_ones() as usize])
                        .unwrap_or_default(),
                );
                return;
            }
            self.judge();
        }
    }

    fn append(&mut self, row: Row) {
        let at = self.edge.size();
        match row.facts {
            Err(flaw) => self.oddity(Kind::Malformed, at, flaw.to_string()),
            Ok(facts) if facts.seq != at => {
                self.oddity(Kind::Malformed, at, format!("it says it is record {}", facts.seq));
            }
            Ok(facts) => {
                if facts.time_ms < self.last_time_ms {
                    self.oddity(Kind::ClockBack, at, String::new());
                }
                self.last_time_ms = self.last_time_ms.max(facts.time_ms);
            }
        }
        self.edge.append(row.hash);
        self.judge();
    }

    fn oddity(&mut self, kind: Kind, seq: u64, note: String) {
        if self.odd.len() < FINDINGS_MAX {
            self.odd.push(Finding {
                kind,
                from: seq,
                to: seq,
                note,
            });
        }
    }

    fn find(&mut self, kind: Kind, from: u64, to: u64, note: String) {
        self.found(Finding {
            kind,
            from,
            to: to.max(from),
            note,
        });
    }

    fn found(&mut self, finding: Finding) {
        if self.report.findings.len() < FINDINGS_MAX {
            self.report.findings.push(finding);
        } else {
            self.report.more += 1;
        }
    }

    /// The report: everything was fed.
    #[must_use]
    pub fn finish(mut self) -> Report {
        if let Some(waiting) = self.waiting.take() {
            self.settle(waiting, Next::End(self.signed_size));
        }
        let size = self.edge.size();
        let stored_size = self.edge.stored_size();
        if self.signed_size.max(stored_size) > size {
            let note = if self.signed_size > size {
                format!("a signed head covers {} records", self.signed_size)
            } else {
                "stored hashes of more records are there".to_owned()
            };
            self.find(Kind::Truncated, size, self.signed_size.max(stored_size) - 1, note);
        }
        let own = self.last_size.unwrap_or(self.first);
        if self.held_size > own && !self.sealed {
            let note = format!(
                "a head of size {} was seen outside and is not here",
                self.held_size
            );
            self.find(Kind::Checkpoint, own, self.held_size - 1, note);
        }
        self.report.tail = size.saturating_sub(self.good.max(self.signed_size));
        if self.sealed && self.report.tail > 0 {
            let note = format!("the head covers {} records", self.signed_size);
            self.find(Kind::Extra, size - self.report.tail, size - 1, note);
        }
        self.displaced();
        if self.doubt.is_none() {
            for odd in std::mem::take(&mut self.odd) {
                self.found(odd);
            }
        }
        if self.doubt.is_none() && !self.lost {
            for (from, to) in self.edge.unsigned() {
                self.find(Kind::Unsigned, from.max(self.good), to, String::new());
            }
        }
        self.report.findings.sort_by_key(|finding| finding.from);
        self.report
    }

    /// A record missing here and surplus there was moved.
    fn displaced(&mut self) {
        for extra in std::mem::take(&mut self.extra) {
            let seq = extra.from;
            match self
                .missing
                .iter()
                .position(|&(from, to)| (from..=to).contains(&seq))
            {
                Some(at) => {
                    let (from, to) = self.missing.swap_remove(at);
                    if from < seq {
                        self.missing.push((from, seq - 1));
                    }
                    if seq < to {
                        self.missing.push((seq + 1, to));
                    }
                    self.find(
                        Kind::OutOfOrder,
                        seq,
                        seq,
                        format!("it stands before record {}", extra.to),
                    );
                }
                None => self.find(Kind::Extra, extra.to, extra.to, extra.note),
            }
        }
        for (from, to) in std::mem::take(&mut self.missing) {
            self.find(Kind::Missing, from, to, String::new());
        }
    }
}
