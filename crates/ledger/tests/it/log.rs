//! A small log as a store keeps it, with everything an intruder could get at.

use remit_core::entropy::SeededEntropy;
use remit_core::time::Timestamp;
use remit_ledger::note::{Ed25519Signer, KeyName, VerifierKey};
use remit_ledger::record::Record;
use remit_ledger::tree::{Frontier, stored_hash_count};
use remit_ledger::verify::{Report, Verifier};
use remit_ledger::{Checkpoint, Hash, leaf_hash};

pub const ORIGIN: &str = "ledger.remit.example/test";

/// Repeatable randomness (splitmix64).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % below as u64).unwrap()
    }

    pub fn between(&mut self, from: usize, to: usize) -> usize {
        from + self.roll(to - from)
    }
}

#[derive(Clone)]
pub struct Log {
    pub rows: Vec<Vec<u8>>,
    /// By index; `None` where the row of the table is gone.
    pub hashes: Vec<Option<Hash>>,
    pub checkpoints: Vec<String>,
    /// Sizes of the checkpoints.
    pub sizes: Vec<u64>,
}

pub fn signer(seed: u64) -> Ed25519Signer {
    Ed25519Signer::generate(KeyName::new(ORIGIN).unwrap(), &SeededEntropy::new(seed)).unwrap()
}

pub fn row(seq: u64, say: &str) -> Vec<u8> {
    let record = Record {
        seq,
        time: Timestamp(1_790_000_000_000 + i64::try_from(seq).unwrap_or(0) * 3),
        kind: "decision".to_owned(),
        task: Some(format!("task_{}", seq / 9)),
        resource: Some(format!("files:{say}/\u{e9}/{seq}")),
        decision: Some("allow".to_owned()),
        ..Record::default()
    };
    record.encode().unwrap()
}

impl Log {
    /// A log of `rows`, with checkpoints at `sizes`.
    pub fn build(rows: Vec<Vec<u8>>, sizes: &[u64], signer: &Ed25519Signer) -> Self {
        let mut log = Self {
            rows,
            hashes: Vec::new(),
            checkpoints: Vec::new(),
            sizes: sizes.to_vec(),
        };
        log.rehash();
        log.resign(signer, ORIGIN);
        log
    }

    /// A log of `count` records, its last checkpoint over all but `tail` of them.
    pub fn random(count: usize, tail: usize, dice: &mut Dice) -> Self {
        let rows = (0..count as u64).map(|seq| row(seq, "a")).collect();
        let signed = count - tail;
        let mut sizes: Vec<u64> = (0..dice.roll(5))
            .map(|_| dice.between(1, signed + 1) as u64)
            .collect();
        sizes.push(signed as u64);
        sizes.sort_unstable();
        sizes.dedup();
        Self::build(rows, &sizes, &signer(1))
    }

    /// The table of hashes made anew from the rows.
    pub fn rehash(&mut self) {
        let batch = Frontier::new()
            .extend(self.rows.iter().map(|row| leaf_hash(row)))
            .unwrap();
        self.hashes = batch.hashes.into_iter().map(Some).collect();
    }

    /// All checkpoints made anew from the rows.
    pub fn resign(&mut self, signer: &Ed25519Signer, origin: &str) {
        self.checkpoints.clear();
        let mut frontier = Frontier::new();
        for row in &self.rows {
            frontier.append(leaf_hash(row), |_| ()).unwrap();
            if self.sizes.contains(&frontier.size()) {
                let head = Checkpoint::new(origin, frontier.size(), frontier.root());
                self.checkpoints.push(head.sign(signer).unwrap().to_string());
            }
        }
    }

    /// Size of the newest checkpoint.
    pub fn signed(&self) -> u64 {
        *self.sizes.last().unwrap()
    }

    /// The records between the checkpoints around `seq`: from, to (exclusive).
    pub fn segment(&self, seq: u64) -> (u64, u64) {
        let from = self
            .sizes
            .iter()
            .rev()
            .find(|&&size| size <= seq)
            .copied()
            .unwrap_or(0);
        (
            from,
            self.sizes
                .iter()
                .find(|&&size| size > seq)
                .copied()
                .unwrap_or(self.rows.len() as u64),
        )
    }

    /// Cuts everything after the first `size` records.
    pub fn cut(&mut self, size: u64) {
        self.rows.truncate(usize::try_from(size).unwrap());
        self.hashes
            .truncate(usize::try_from(stored_hash_count(size)).unwrap());
        let keep = self.sizes.iter().filter(|&&kept| kept <= size).count();
        self.sizes.truncate(keep);
        self.checkpoints.truncate(keep);
    }

    /// Verifies as a store does: checkpoints, then stored hashes (if `with_hashes`), then rows.
    pub fn verify(&self, with_hashes: bool, held: &[String]) -> Report {
        self.verify_with(with_hashes, held, &[signer(1).verifier().clone()])
    }

    pub fn verify_with(&self, with_hashes: bool, held: &[String], keys: &[VerifierKey]) -> Report {
        let mut verifier = Verifier::new(ORIGIN, keys);
        for held in held {
            verifier.hold(held.as_bytes()).unwrap();
        }
        for checkpoint in &self.checkpoints {
            verifier.checkpoint(checkpoint.as_bytes());
        }
        if with_hashes {
            for (index, hash) in (0_u64..).zip(&self.hashes) {
                if let Some(hash) = hash {
                    verifier.stored_hashes(index, &[*hash]);
                }
            }
        }
        for row in &self.rows {
            verifier.record(row);
        }
        verifier.finish()
    }
}
