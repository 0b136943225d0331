//! What a verification found: kinds, places, and the report.

use std::fmt;

use crate::checkpoint::SignedCheckpoint;

/// Most findings listed; the report counts the rest.
pub(super) const FINDINGS_MAX: usize = 100;

/// What kind of change or damage was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The bytes of one record are not what was signed.
    Edited,
    /// One or more of these records are not what was signed; nothing tells more closely which.
    Changed,
    /// Records are missing between others.
    Missing,
    /// Records are missing at the end, up to what a signed checkpoint covers.
    Truncated,
    /// A row that is not part of the log stands before the record named.
    Extra,
    /// The record is there, but not in its place.
    OutOfOrder,
    /// The record was signed as it is, but breaks the record format.
    Malformed,
    /// The record was signed with a time before that of the record in front of it.
    ClockBack,
    /// The records are what was signed, but a stored hash above them is wrong or missing.
    StoredHash,
    /// A checkpoint is malformed, signed by no known key, of another log, or out of order.
    Checkpoint,
    /// Two heads signed by the log's key cannot both be true: history was rewritten and signed again.
    Contradiction,
    /// A record and its stored hash differ and no checkpoint covers them yet: one of the two was changed.
    Unsigned,
    /// A line of an export is not what is written there.
    Damaged,
}

/// One finding with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind.
    pub kind: Kind,
    /// First record concerned (zero-based).
    pub from: u64,
    /// Last record concerned, inclusive.
    pub to: u64,
    /// The particulars, for people; may be empty.
    pub note: String,
}

/// Outcome of a verification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// First record looked at: 0, or where a partial export begins.
    pub first: u64,
    /// Rows read.
    pub records: u64,
    /// Checkpoints of the log whose signature and root hold.
    pub checkpoints: u64,
    /// Externally held checkpoints whose signature and root hold.
    pub held: u64,
    /// The newest head that holds.
    pub head: Option<SignedCheckpoint>,
    /// Rows after the newest head: recorded, but not yet covered by a signature.
    pub tail: u64,
    /// What was found, in order; at most 100 are listed.
    pub findings: Vec<Finding>,
    /// Findings beyond those listed.
    pub more: u64,
}

impl Kind {
    /// The word for machines.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Edited => "edited",
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Truncated => "truncated",
            Self::Extra => "extra",
            Self::OutOfOrder => "out_of_order",
            Self::Malformed => "malformed",
            Self::ClockBack => "clock_back",
            Self::StoredHash => "stored_hash",
            Self::Checkpoint => "checkpoint",
            Self::Contradiction => "contradiction",
            Self::Unsigned => "unsigned",
            Self::Damaged => "damaged",
        }
    }
}

impl Report {
    /// Whether everything holds.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.findings.is_empty() && self.more == 0
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, from, to, note } = self;
        match kind {
            Kind::Edited => write!(f, "record {from} is not what was signed")?,
            Kind::Changed => write!(
                f,
                "among records {from} to {to} at least one is not what was signed"
            )?,
            Kind::Missing if from == to => write!(f, "record {from} is missing")?,
            Kind::Missing => write!(f, "records {from} to {to} are missing")?,
            Kind::Truncated => write!(
                f,
                "the log ends before record {from}, records up to {to} were signed"
            )?,
            Kind::Extra => write!(f, "a row that is not part of the log stands before record {from}")?,
            Kind::OutOfOrder => write!(f, "record {from} is not in its place")?,
            Kind::Malformed => write!(f, "record {from} was signed as it is, but is not well-formed")?,
            Kind::ClockBack => write!(f, "record {from} is dated before the record in front of it")?,
            Kind::StoredHash => write!(
                f,
                "a stored hash over records {from} to {to} is wrong, the records are not"
            )?,
            Kind::Checkpoint => write!(f, "a checkpoint over the records up to {to} cannot be believed")?,
            Kind::Contradiction => {
                write!(
                    f,
                    "two signed heads contradict each other about records {from} to {to}"
                )?;
            }
            Kind::Damaged => write!(f, "the export is damaged before record {from}")?,
            Kind::Unsigned => {
                write!(
                    f,
                    "records {from} to {to} differ from their stored hashes, no checkpoint covers them yet"
                )?;
            }
        }
        if note.is_empty() {
            Ok(())
        } else {
            write!(f, ": {note}")
        }
    }
}
