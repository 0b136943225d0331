//! Signed notes (c2sp.org/signed-note@v1.0.0): text, a blank line, signature lines.

mod key;
mod sign;

pub use key::{KeyError, KeyName, VerifierKey};
pub use sign::{Ed25519Signer, SignError, Signer};

use crate::base64;

/// Longest note read, in bytes: sixteen post-quantum signatures of 5 kB with room to spare.
pub const NOTE_BYTES_MAX: usize = 128 * 1024;
/// Most signature lines read (the specification asks for at least 16).
pub const NOTE_SIGNATURES_MAX: usize = 64;

/// Begins a signature line: em dash, space.
const SIGNATURE: &str = "\u{2014} ";

/// A note as it was read: nothing in it may be believed before [`Note::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// One signature line, by whatever key and algorithm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Name of the key.
    pub name: KeyName,
    /// Key id: tells keys of one name apart, proves nothing.
    pub key_id: u32,
    /// What the algorithm made; not empty.
    pub bytes: Vec<u8>,
}

/// Why a note is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not the form of a signed note.
    #[error("not a signed note: {0}")]
    Malformed(&'static str),
    /// A known key's signature does not match: the text or the signature was changed.
    #[error("the signature of `{0}` does not match the text")]
    BadSignature(String),
    /// None of the known keys signed it.
    #[error("no known key signed this; it carries signatures of {0}")]
    UnknownKeys(String),
}

impl Note {
    /// A note over `text`, signed by `signer`. More signatures can follow by [`Note::add`].
    ///
    /// # Errors
    /// When `text` is not the text of a note or the signer fails.
    pub fn sign(text: &str, signer: &dyn Signer) -> Result<Self, SignError> {
        if let Err(error) = check_text(text) {
            return Err(SignError::Text(error));
        }
        let bytes = signer.sign(text.as_bytes())?;
        let signature = Signature {
            name: signer.name().clone(),
            key_id: signer.key_id(),
            bytes,
        };
        Ok(Self {
            text: text.to_owned(),
            signatures: vec![signature],
        })
    }

    /// Reads a note; strict: exactly the lines the specification allows, nothing after them.
    ///
    /// # Errors
    /// [`NoteError::Malformed`] names what is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::Malformed("longer than 128 KiB"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Malformed("not UTF-8"))?;
        let end = note
            .rfind("\n\n")
            .ok_or(NoteError::Malformed("no blank line before the signatures"))?;
        let (text, rest) = note.split_at(end + 1);
        check_text(text)?;
        let lines = rest
            .strip_prefix('\n')
            .and_then(|lines| lines.strip_suffix('\n'))
            .ok_or(NoteError::Malformed(
                "the last line has no newline, or there is no signature",
            ))?;
        let signatures: Vec<Signature> = lines
            .split('\n')
            .take(NOTE_SIGNATURES_MAX + 1)
            .map(Signature::parse)
            .collect::<Result<_, _>>()?;
        if signatures.len() > NOTE_SIGNATURES_MAX {
            return Err(NoteError::Malformed("more than 64 signatures"));
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// Adds one signature line, of a witness for example.
    pub fn add(&mut self, signature: Signature) {
        self.signatures.push(signature);
    }

    /// The signed text with its last newline. Not to be believed before [`Note::verify`].
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All signature lines, known or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Verifies the signatures of known keys; signatures of others are ignored (that is how cosignatures ride along).
    ///
    /// # Errors
    /// When no known key signed, or the signature of a known key does not match.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<(), NoteError> {
        let mut signed = false;
        for signature in &self.signatures {
            for key in keys.iter().filter(|key| key.made(signature)) {
                if !key.verify(self.text.as_bytes(), &signature.bytes) {
                    return Err(NoteError::BadSignature(key.to_string()));
                }
                signed = true;
            }
        }
        if signed {
            return Ok(());
        }
        let names: Vec<String> = self
            .signatures
            .iter()
            .map(|line| format!("`{}+{:08x}`", line.name, line.key_id))
            .collect();
        Err(NoteError::UnknownKeys(names.join(", ")))
    }
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl Signature {
    fn parse(line: &str) -> Result<Self, NoteError> {
        let (name, encoded) = line
            .strip_prefix(SIGNATURE)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(NoteError::Malformed(
                "a signature line is not `\u{2014} name base64`",
            ))?;
        let name =
            KeyName::new(name).map_err(|_| NoteError::Malformed("a key name has a space or a plus"))?;
        let bytes = base64::decode(encoded).ok_or(NoteError::Malformed("a signature is not base64"))?;
        match bytes.split_first_chunk::<4>() {
            Some((key_id, bytes)) if !bytes.is_empty() => Ok(Self {
                name,
                key_id: u32::from_be_bytes(*key_id),
                bytes: bytes.to_vec(),
            }),
            _ => Err(NoteError::Malformed("a signature is shorter than its key id")),
        }
    }
}

impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = self.key_id.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.bytes);
        write!(f, "{SIGNATURE}{} {}", self.name, base64::encode(&bytes))
    }
}

fn check_text(text: &str) -> Result<(), NoteError> {
    if text.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::Malformed("a control character in the text"));
    }
    if text.len() < 2 || !text.ends_with('\n') {
        return Err(NoteError::Malformed(
            "the text is empty or does not end in a newline",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
