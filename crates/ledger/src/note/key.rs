//! Keys that verify notes, and their text form `name+hash+base64`.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

use super::Signature;
use crate::base64;

/// Signature type of plain Ed25519 (C2SP signed-note).
const ED25519_TYPE: u8 = 0x01;
/// Longest key name, in bytes.
const NAME_BYTES_MAX: usize = 256;

/// Name of a key: not empty, no spaces, no plus; a schema-less URL by custom.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyName(String);

/// An Ed25519 key that verifies notes.
///
/// Text form: `name+hash+key`, hash = the key id in 8 hex digits, key = base64 of the type byte and the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    key_id: u32,
    public: [u8; 32],
}

/// Why a key or its name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a key name.
    #[error("key name `{0}`: must not be empty, longer than 256 bytes, or have spaces, controls or `+`")]
    Name(String),
    /// Not the text form.
    #[error("not a verifier key: expected `name+hash+base64` as `remit up` prints it")]
    Form,
    /// Another algorithm than Ed25519.
    #[error("the key is not an Ed25519 key (type 01, 32 bytes)")]
    Type,
    /// Hash and key do not belong together.
    #[error("the key id is `{got}` but this name and key give `{want}`: a letter was lost or changed")]
    Id {
        /// The key id in the text.
        got: String,
        /// The key id the name and key give.
        want: String,
    },
}

impl KeyName {
    /// Checks `name`.
    ///
    /// # Errors
    /// [`KeyError::Name`] when it is empty, too long, or has a Unicode space, a control or a plus.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let bad = |letter: char| letter.is_whitespace() || letter.is_control() || letter == '+';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.contains(bad) {
            return Err(KeyError::Name(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl VerifierKey {
    /// A key from its 32 bytes (RFC 8032 encoding).
    #[must_use]
    pub fn new(name: KeyName, public: [u8; 32]) -> Self {
        let key_id = key_id(&name, &public);
        Self { name, key_id, public }
    }

    /// Reads the text form.
    ///
    /// # Errors
    /// [`KeyError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyError::Form);
        };
        let bytes = base64::decode(key).ok_or(KeyError::Form)?;
        let public = match bytes.split_first() {
            Some((&ED25519_TYPE, public)) => <[u8; 32]>::try_from(public).map_err(|_| KeyError::Type)?,
            _ => return Err(KeyError::Type),
        };
        let key = Self::new(KeyName::new(name)?, public);
        let want = format!("{:08x}", key.key_id);
        if id != want {
            return Err(KeyError::Id {
                got: id.to_owned(),
                want,
            });
        }
        Ok(key)
    }

    /// Name of the key.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// First four bytes of `SHA-256(name || 0x0A || type || key)`.
    #[must_use]
    pub const fn key_id(&self) -> u32 {
        self.key_id
    }

    /// The 32 bytes of the public key (RFC 8032 encoding).
    #[must_use]
    pub const fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Whether the signature claims to be of this key: name and id alike.
    pub(super) fn made(&self, signature: &Signature) -> bool {
        self.key_id == signature.key_id && self.name == signature.name
    }

    /// Whether `signature` is this key's Ed25519 signature over `text`.
    pub(super) fn verify(&self, text: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, &self.public)
            .verify(text, signature)
            .is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![ED25519_TYPE];
        bytes.extend_from_slice(&self.public);
        write!(f, "{}+{:08x}+{}", self.name, self.key_id, base64::encode(&bytes))
    }
}

fn key_id(name: &KeyName, public: &[u8; 32]) -> u32 {
    let mut input = name.0.clone().into_bytes();
    input.extend_from_slice(&[b'\n', ED25519_TYPE]);
    input.extend_from_slice(public);
    let hash = digest(&SHA256, &input);
    hash.as_ref()
        .first_chunk::<4>()
        .copied()
        .map_or(0, u32::from_be_bytes)
}
