//! Proof of one record as a file (c2sp.org/tlog-proof@v1): index, inclusion proof, checkpoint; verified offline.

use std::fmt;

use crate::base64;
use crate::checkpoint::{CheckpointError, SignedCheckpoint, parse_decimal};
use crate::hash::{Hash, leaf_hash};
use crate::note::{NOTE_BYTES_MAX, VerifierKey};
use crate::tree::{ProofError, verify_inclusion};

/// First line of the file.
const MAGIC: &str = "c2sp.org/tlog-proof@v1";
/// Longest file read, in bytes: a note, a leaf in base64, 63 hashes.
const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX + 128 * 1024;
/// Most hashes in a proof (C2SP).
const HASHES_MAX: usize = 63;

/// A proof that one record is in the log. Nothing in it may be believed before [`LogProof::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    extra: Option<Vec<u8>>,
    index: u64,
    hashes: Vec<Hash>,
    checkpoint: String,
}

/// Why a proof file is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LogProofError {
    /// Not the form of a proof file.
    #[error("not a tlog-proof file: {0}")]
    Malformed(&'static str),
    /// Its checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its inclusion proof: this record is not what the log holds at this index.
    #[error("record {index} is not proved: {source}")]
    Inclusion {
        /// Index in the file.
        index: u64,
        /// What does not fit.
        #[source]
        source: ProofError,
    },
    /// There is no record to prove.
    #[error("the proof does not carry the record; give it along")]
    NoRecord,
}

impl LogProof {
    /// A proof that `leaf` is record `index` under `checkpoint`; `hashes` from [`crate::tree::prove_inclusion`].
    /// The leaf rides along as extra data, so that the file alone proves and shows the record.
    #[must_use]
    pub fn new(leaf: &[u8], index: u64, hashes: Vec<Hash>, checkpoint: &SignedCheckpoint) -> Self {
        Self {
            extra: Some(leaf.to_vec()),
            index,
            hashes,
            checkpoint: checkpoint.to_string(),
        }
    }

    /// The same proof without the record, for readers who have it already.
    #[must_use]
    pub fn without_record(self) -> Self {
        Self { extra: None, ..self }
    }

    /// Reads a proof file, strict in every line.
    ///
    /// # Errors
    /// [`LogProofError::Malformed`] names what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogProofError> {
        let malformed = LogProofError::Malformed;
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(malformed("longer than 256 KiB"));
        }
        let text = std::str::from_utf8(bytes).map_err(|_| malformed("not UTF-8"))?;
        let (head, checkpoint) = text
            .split_once("\n\n")
            .ok_or(malformed("no blank line before the checkpoint"))?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(MAGIC) {
            return Err(malformed("the first line is not `c2sp.org/tlog-proof@v1`"));
        }
        let extra = match lines.next_if(|line| line.starts_with("extra ")) {
            None => None,
            Some(line) => {
                let encoded = line.strip_prefix("extra ").unwrap_or_default();
                Some(base64::decode(encoded).ok_or(malformed("the extra line is not base64"))?)
            }
        };
        let index = lines
            .next()
            .and_then(|line| line.strip_prefix("index "))
            .and_then(parse_decimal)
            .ok_or(malformed("no line `index` with a decimal number"))?;
        let hashes: Option<Vec<Hash>> = lines.take(HASHES_MAX + 1).map(Hash::parse).collect();
        let hashes = hashes.ok_or(malformed("a hash line is not base64 of 32 bytes"))?;
        if hashes.len() > HASHES_MAX {
            return Err(malformed("more than 63 hashes"));
        }
        Ok(Self {
            extra,
            index,
            hashes,
            checkpoint: checkpoint.to_owned(),
        })
    }

    /// Which record, from 0.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The record the file carries; not to be believed before [`LogProof::verify_carried`].
    #[must_use]
    pub fn carried(&self) -> Option<&[u8]> {
        self.extra.as_deref()
    }

    /// Verifies that `leaf` is record [`LogProof::index`] of the log `origin` signed by one of `keys`.
    ///
    /// # Errors
    /// [`LogProofError`] says what does not hold.
    pub fn verify(
        &self,
        leaf: &[u8],
        origin: &str,
        keys: &[VerifierKey],
    ) -> Result<SignedCheckpoint, LogProofError> {
        let signed = SignedCheckpoint::verify(self.checkpoint.as_bytes(), origin, keys)?;
        verify_inclusion(
            &leaf_hash(leaf),
            self.index,
            signed.size(),
            &self.hashes,
            signed.root(),
        )
        .map_err(|source| LogProofError::Inclusion {
            index: self.index,
            source,
        })?;
        Ok(signed)
    }

    /// Verifies the record the file carries, and returns it.
    ///
    /// # Errors
    /// [`LogProofError::NoRecord`] when it carries none, otherwise as [`LogProof::verify`].
    pub fn verify_carried(
        &self,
        origin: &str,
        keys: &[VerifierKey],
    ) -> Result<(&[u8], SignedCheckpoint), LogProofError> {
        let leaf = self.extra.as_deref().ok_or(LogProofError::NoRecord)?;
        Ok((leaf, self.verify(leaf, origin, keys)?))
    }
}

/// The file.
impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}")?;
        if let Some(extra) = &self.extra {
            writeln!(f, "extra {}", base64::encode(extra))?;
        }
        writeln!(f, "index {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}
