//! Holding the tree against signed heads, and saying who is wrong when they differ.

use super::edge::{Difference, Verdict};
use super::{Head, Kind, Verifier};

impl Verifier {
    /// Holds the tree against every head of the size it has reached.
    pub(super) fn judge(&mut self) {
        while self
            .ahead
            .front()
            .is_some_and(|head| head.signed.size() <= self.edge.size())
        {
            let size = self.edge.size();
            let here = self.ahead.partition_point(|head| head.signed.size() <= size);
            let mut heads: Vec<Head> = self.ahead.drain(..here).collect();
            if self.lost {
                continue;
            }
            // Where heads of one size differ, the one the records fit is judged first.
            heads.sort_by_key(|head| !self.edge.is_root(head.signed.root()));
            for head in heads {
                self.judge_head(head);
            }
        }
    }

    fn judge_head(&mut self, head: Head) {
        let size = self.edge.size();
        match self.edge.judge(head.signed.root()) {
            Verdict::Records(differences) => {
                self.stored_hashes_wrong(&differences);
                for odd in std::mem::take(&mut self.odd) {
                    self.found(odd);
                }
                if let Some((at, doubted, held)) = self.doubt.take()
                    && let Some(finding) = self.report.findings.get_mut(at)
                {
                    finding.kind = Kind::Contradiction;
                    finding.from = if held { self.good_held } else { finding.from };
                    finding.note = format!("the head of size {doubted} and the head of size {size}");
                }
                self.holds(head);
            }
            Verdict::Stored(wrong) => {
                self.blame(&wrong);
                self.doubt = None;
                self.holds(head);
            }
            Verdict::Neither if self.good == size && size > self.first => {
                let from = if head.held { self.good_held } else { self.first };
                self.find(
                    Kind::Contradiction,
                    from,
                    size - 1,
                    format!("two different heads of size {size}"),
                );
            }
            Verdict::Neither => self.doubtful(&head, size),
        }
    }

    fn holds(&mut self, head: Head) {
        let size = head.signed.size();
        self.good = size;
        if head.held {
            self.good_held = size;
            self.report.held += 1;
        } else {
            self.report.checkpoints += 1;
        }
        if self
            .report
            .head
            .as_ref()
            .is_none_or(|old| old.size() < size || !head.held)
        {
            self.report.head = Some(head.signed);
        }
    }

    /// Neither the records nor the stored hashes are what was signed.
    fn doubtful(&mut self, head: &Head, size: u64) {
        if self.doubt.is_some() {
            return;
        }
        let mut odd = std::mem::take(&mut self.odd);
        odd.retain(|odd| odd.kind == Kind::Malformed);
        let from = self.good.min(size.saturating_sub(1));
        let note = odd
            .first()
            .map(|odd| format!("record {} is not well-formed: {}", odd.from, odd.note));
        self.doubt = Some((self.report.findings.len(), size, head.held));
        self.find(
            Kind::Changed,
            from,
            size.saturating_sub(1),
            note.unwrap_or_default(),
        );
        self.last_time_ms = 0;
    }

    /// The stored hashes are what was signed, so these records are not.
    fn blame(&mut self, wrong: &[(u64, u64)]) {
        let odd = std::mem::take(&mut self.odd);
        for &(from, to) in wrong {
            let note = odd
                .iter()
                .find(|odd| odd.from == from && odd.kind == Kind::Malformed);
            let note = note.map(|odd| odd.note.clone()).unwrap_or_default();
            let from = from.max(self.good);
            let kind = if from == to { Kind::Edited } else { Kind::Changed };
            self.find(kind, from, to, note);
        }
        self.last_time_ms = 0;
    }

    /// The records are what was signed, so these stored hashes are not. Missing leaves in a row are one finding.
    fn stored_hashes_wrong(&mut self, differences: &[Difference]) {
        let together = |a: &Difference, b: &Difference| {
            a.missing && b.missing && (a.level, b.level) == (0, 0) && a.n + 1 == b.n
        };
        for run in differences.chunk_by(together) {
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                continue;
            };
            let what = if first.missing { "missing" } else { "wrong" };
            let index = crate::tree::stored_hash_index(first.level, first.n);
            let to = ((last.n + 1) << last.level) - 1;
            self.find(
                Kind::StoredHash,
                first.n << first.level,
                to,
                format!("stored hash {index} is {what}"),
            );
        }
    }
}
