//! Checkpoints (c2sp.org/tlog-checkpoint): the signed head of the tree at one size.

use crate::hash::Hash;
use crate::note::{Note, NoteError, SignError, Signer, VerifierKey};
use crate::tree::SIZE_MAX;

/// Head of the tree at one size, as its note says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log this is.
    pub origin: String,
    /// Leaves in the tree.
    pub size: u64,
    /// Root of the tree at that size.
    pub root: Hash,
    /// Extension lines, without newlines; the specification advises against any.
    pub extensions: Vec<String>,
}

/// A checkpoint with the note that carries it: parsed, and verified by the functions that return it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: Note,
}

/// Why a checkpoint is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text of the note.
    #[error("not a checkpoint: {0}")]
    Malformed(&'static str),
    /// A checkpoint of another log.
    #[error("a checkpoint of `{got}`, expected one of `{want}`")]
    Origin {
        /// The origin expected.
        want: String,
        /// The origin found.
        got: String,
    },
    /// A checkpoint over fewer records than lie in front of what is verified.
    #[error(
        "the checkpoint covers {size} records, what is verified begins after {first}: nothing of it can be checked"
    )]
    Before {
        /// Records the checkpoint covers.
        size: u64,
        /// Records in front of what is verified.
        first: u64,
    },
}

impl Checkpoint {
    /// The checkpoint of a log without extension lines.
    #[must_use]
    pub fn new(origin: &str, size: u64, root: Hash) -> Self {
        Self {
            origin: origin.to_owned(),
            size,
            root,
            extensions: Vec::new(),
        }
    }

    /// Reads the text of a note.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`] names what is wrong.
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let body = text
            .strip_suffix('\n')
            .ok_or(malformed("no newline at the end"))?;
        let mut lines = body.split('\n');
        let mut next = |what| {
            lines
                .next()
                .filter(|line| !line.is_empty())
                .ok_or(malformed(what))
        };
        let origin = next("no origin line")?.to_owned();
        let size = parse_decimal(next("no size line")?)
            .filter(|&size| size <= SIZE_MAX)
            .ok_or(malformed("the size is not a decimal number below 2^53"))?;
        let root =
            Hash::parse(next("no root line")?).ok_or(malformed("the root is not base64 of 32 bytes"))?;
        let extensions: Vec<String> = lines.map(ToOwned::to_owned).collect();
        if extensions.iter().any(String::is_empty) {
            return Err(malformed("an extension line is empty"));
        }
        Ok(Self {
            origin,
            size,
            root,
            extensions,
        })
    }

    /// Text of the note.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("{}\n{}\n{}\n", self.origin, self.size, self.root);
        for line in &self.extensions {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Signs the checkpoint. A log must never sign two heads that are inconsistent: the caller keeps that.
    ///
    /// # Errors
    /// When a field would break the form, or the signer fails.
    pub fn sign(self, signer: &dyn Signer) -> Result<SignedCheckpoint, SignError> {
        let text = self.text();
        if Self::parse(&text).as_ref() != Ok(&self) {
            let why = "a checkpoint field is empty, too large or has a line break";
            return Err(SignError::Text(NoteError::Malformed(why)));
        }
        let note = Note::sign(&text, signer)?;
        Ok(SignedCheckpoint {
            checkpoint: self,
            note,
        })
    }
}

impl SignedCheckpoint {
    /// Reads a signed checkpoint, verifies the log's signature and its origin. Cosignatures of other keys are
    /// kept and ignored; a cosignature of a key in `keys` is verified too.
    ///
    /// # Errors
    /// [`CheckpointError`] says what is wrong: form, signature, or another log's checkpoint.
    pub fn verify(note: &[u8], origin: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        note.verify(keys)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin != origin {
            return Err(CheckpointError::Origin {
                want: origin.to_owned(),
                got: checkpoint.origin,
            });
        }
        Ok(Self { checkpoint, note })
    }

    /// The head.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Leaves in the tree.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.checkpoint.size
    }

    /// Root of the tree.
    #[must_use]
    pub const fn root(&self) -> &Hash {
        &self.checkpoint.root
    }

    /// The note with all its signatures.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// The same head with one more signature line (a witness cosignature).
    #[must_use]
    pub fn cosigned(mut self, signature: crate::note::Signature) -> Self {
        self.note.add(signature);
        self
    }
}

/// The note in its text form.
impl std::fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.note.fmt(f)
    }
}

/// A decimal number in its one spelling: digits only, no leading zero.
pub(crate) fn parse_decimal(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
