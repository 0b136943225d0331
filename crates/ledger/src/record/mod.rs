//! Records: what one leaf of the tree says, and the only bytes that say it.
//!
//! A leaf is canonical JSON (RFC 8785) of at most 65,535 bytes, the entry limit of C2SP tlog-tiles. Everything
//! large or secret stays beside it: the leaf holds a salted commitment and the hash of the sealed body. What is
//! absent is left out. Members are checked for shape, not for vocabulary: the words are the domain's.
//!
//! One leaf has one spelling, so `sha256sum` over `0x00 || line` gives the stored hash, and any JSON reader reads it.

mod decode;
mod encode;
pub mod scan;

pub use encode::OpenLeaf;

use remit_core::digest::Digest;
use remit_core::json::{self, Object};
use remit_core::time::Timestamp;

/// Version of the leaf format, in the member `v`.
pub const FORMAT: u64 = 1;
/// Longest leaf, in bytes.
pub const LEAF_BYTES_MAX: usize = remit_core::limits::RECORD_BYTES_MAX;

/// One record of the ledger. Empty strings, lists and objects do not exist in a leaf: leave them out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// Place in the log, from 0, without gaps.
    pub seq: u64,
    /// When it was recorded, in milliseconds; never before the record in front of it.
    pub time: Timestamp,
    /// What kind of record: `decision`, `outcome`, `task_open`, ... (member `type`): lowercase letters, digits, `_`, `.`.
    pub kind: String,
    /// The decision this is, or belongs to.
    pub decision_id: Option<String>,
    /// The task.
    pub task: Option<String>,
    /// The run.
    pub run: Option<String>,
    /// The agent.
    pub agent: Option<String>,
    /// The human or system that opened the task.
    pub initiator: Option<String>,
    /// The delegation chain, initiator first.
    pub chain: Vec<String>,
    /// The tool, as `server/tool`.
    pub tool: Option<String>,
    /// The tool class.
    pub class: Option<String>,
    /// The resource, as `system:path`.
    pub resource: Option<String>,
    /// allow, hold or deny.
    pub decision: Option<String>,
    /// Why, from the closed list of reasons.
    pub reason: Option<String>,
    /// The rules that determined it, strictest first.
    pub rules: Vec<String>,
    /// The policy that was evaluated.
    pub policy_version: Option<String>,
    /// The approval it waits for or uses.
    pub approval: Option<String>,
    /// enforced, advised, observed or break-glass.
    pub lane: Option<String>,
    /// Labels charged to the run.
    pub labels: Vec<String>,
    /// done, failed or indeterminate.
    pub outcome: Option<String>,
    /// How well the run is shut in.
    pub confinement: Option<String>,
    /// How the call proved its run.
    pub proof: Option<String>,
    /// initial, retry n or anomaly.
    pub origin: Option<String>,
    /// Digest of the canonical call.
    pub digest: Option<Digest>,
    /// Salted commitment to the body; the salt is sealed with it.
    pub commitment: Option<Digest>,
    /// Digest of the sealed body as it is stored beside the ledger.
    pub body: Option<Digest>,
    /// What only this kind of record says.
    pub detail: Object,
}

/// Why a record or a leaf was refused. The fault is the writer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The leaf would be longer than an entry may be.
    #[error("the record takes {0} bytes, at most 65535 fit: keep bodies beside the ledger")]
    TooLong(usize),
    /// Not JSON, or JSON that readers could read in two ways.
    #[error("the leaf is not strict JSON: {0}")]
    Json(json::Error),
    /// JSON, but not in canonical form.
    #[error("the leaf is not canonical JSON (RFC 8785): its hash would depend on the writer")]
    NotCanonical,
    /// A leaf of a newer format.
    #[error("the leaf has format {0}; this version reads format 1: use a newer one")]
    Format(String),
    /// A member that does not exist in this format.
    #[error("the leaf has an unknown member `{0}`")]
    Unknown(String),
    /// A member that must be there is missing.
    #[error("the leaf lacks `{0}`")]
    Missing(&'static str),
    /// A member of the wrong type or shape.
    #[error("`{member}` must be {want}")]
    Member {
        /// Which member.
        member: &'static str,
        /// What it must be.
        want: &'static str,
    },
}

/// Whether `kind` can stand in the member `type`: 1 to 64 of lowercase letters, digits, `_` and `.`.
fn is_kind(kind: &str) -> bool {
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'.');
    (1..=64).contains(&kind.len()) && kind.bytes().all(allowed)
}

#[cfg(test)]
mod tests;
