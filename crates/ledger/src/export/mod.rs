//! Exports: one stream of lines that a stranger verifies offline with stock tools.
//!
//! ```text
//! {"remit":{"export":{"first":0,"format":1,"head":"<signed checkpoint>","key":"<verifier key>","origin":"..."}}}
//! {"remit":{"bundle":{"checkpoints":["<signed checkpoint>"],"first":0,"leaves":"<base64>"}}}
//! {"agent":"triage", ... ,"v":1}                                   one line per record: the leaf itself
//! ```
//!
//! - The header names the log and carries the head that covers exactly the records of the export, so a record
//!   dropped anywhere, the end included, shows. A part of a log (`first` above 0) carries in `peaks` the roots of
//!   the complete subtrees in front of it, largest first; the head proves them along with the records.
//! - A bundle line stands before each 256 records (fewer in the last): the older checkpoints whose last record is
//!   among them, and their leaf hashes as a level-0 tile of C2SP tlog-tiles. They locate a change; they prove nothing.
//! - Every other line is a leaf: canonical JSON without a line break, and its hash is SHA-256 over 0x00 and the line.

mod line;
mod read;
mod write;

pub use read::{ExportReport, Trust, verify};
pub use write::ExportWriter;

/// Version of the export format.
pub const FORMAT: u64 = 1;
/// Records in a bundle: the width of a tile.
pub const BUNDLE: usize = 256;
/// Longest line, in bytes; longer ones are refused unread.
pub const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Why an export could not be written or read at all. Damage inside it is a finding, not an error.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// Reading or writing failed.
    #[error("the export could not be read or written")]
    Io(#[from] std::io::Error),
    /// The first line is not a header.
    #[error("line 1 is not the header of an export: {0}")]
    Header(String),
    /// Not what was asked for.
    #[error("the export is of {what} `{got}`, expected `{want}`")]
    Other {
        /// What differs: log or key.
        what: &'static str,
        /// What was expected.
        want: String,
        /// What the header says.
        got: String,
    },
    /// A line without end.
    #[error("line {0} is longer than 4 MiB: not an export")]
    LineTooLong(u64),
    /// A held checkpoint that proves nothing about this log.
    #[error("the held checkpoint cannot be used")]
    Held(#[source] crate::CheckpointError),
    /// A record with a line break is no canonical JSON.
    #[error("record {0} has a line break: it is not a leaf")]
    LineBreak(u64),
    /// The head covers another number of records than were written.
    #[error("the head covers {want} records from the first on, {got} were written")]
    Count {
        /// Records the head covers.
        want: u64,
        /// Records written.
        got: u64,
    },
}
