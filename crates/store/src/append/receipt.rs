//! Receipts: proof inside the process that a record is durable.

use remit_core::digest::Digest;
use remit_core::time::Timestamp;
use remit_ledger::{Hash, record::Record};

/// What the store gives for a durable record. Only the store makes one, and only after the commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    seq: u64,
    time: Timestamp,
    leaf: Hash,
    kind: String,
    decision_id: Option<String>,
    decision: Option<String>,
    digest: Option<Digest>,
}

impl Receipt {
    pub(crate) fn of(record: Record, leaf: Hash) -> Self {
        Self {
            seq: record.seq,
            time: record.time,
            leaf,
            kind: record.kind,
            decision_id: record.decision_id,
            decision: record.decision,
            digest: record.digest,
        }
    }

    /// Place in the log, from 0.
    #[must_use]
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// When it was recorded.
    #[must_use]
    pub const fn time(&self) -> Timestamp {
        self.time
    }

    /// RFC 6962 hash of the leaf.
    #[must_use]
    pub const fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Kind of record.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The decision recorded.
    #[must_use]
    pub fn decision_id(&self) -> Option<&str> {
        self.decision_id.as_deref()
    }

    /// allow, hold or deny, as recorded.
    #[must_use]
    pub fn decision(&self) -> Option<&str> {
        self.decision.as_deref()
    }

    /// Digest of the canonical call, as recorded.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }
}
