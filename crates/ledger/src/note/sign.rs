//! Keys that sign notes: one in memory, or any other behind [`Signer`].

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use remit_core::entropy::{Entropy, NoEntropy};
use zeroize::Zeroizing;

use super::{KeyName, NoteError, VerifierKey};

/// A key that signs notes. The key may live elsewhere (a security module, another process).
pub trait Signer: Send + Sync {
    /// Name of the key, as it stands in the signature line.
    fn name(&self) -> &KeyName;
    /// Key id, as it stands in the signature line.
    fn key_id(&self) -> u32;
    /// Signs `text`: for Ed25519 the 64 bytes of RFC 8032.
    ///
    /// # Errors
    /// [`SignError::Refused`] when the key cannot be used now.
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The text is not the text of a note.
    #[error(transparent)]
    Text(NoteError),
    /// The key could not be used.
    #[error("the signing key `{name}` could not be used: {why}")]
    Refused {
        /// Name of the key.
        name: String,
        /// What its keeper said.
        why: String,
    },
    /// The bytes are no Ed25519 key.
    #[error("not an Ed25519 signing key: expected {0}")]
    Key(&'static str),
    /// No randomness to make a key from.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// An Ed25519 key held in this process.
pub struct Ed25519Signer {
    pair: Ed25519KeyPair,
    verifier: VerifierKey,
}

impl Ed25519Signer {
    /// A new key from 32 random bytes.
    ///
    /// # Errors
    /// [`SignError::Entropy`] when there is no randomness.
    pub fn generate(name: KeyName, entropy: &dyn Entropy) -> Result<Self, SignError> {
        let mut seed = Zeroizing::new([0_u8; 32]);
        entropy.fill(seed.as_mut_slice())?;
        Self::from_seed(name, &seed)
    }

    /// The key of a 32-byte seed (RFC 8032 private key).
    ///
    /// # Errors
    /// [`SignError::Key`] when the library refuses the seed.
    pub fn from_seed(name: KeyName, seed: &[u8; 32]) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Self::new(name, pair.map_err(|_| SignError::Key("a 32-byte seed"))?)
    }

    /// The key of a PKCS #8 document (RFC 8410, version 1 or 2, DER).
    ///
    /// # Errors
    /// [`SignError::Key`] when it is none.
    pub fn from_pkcs8(name: KeyName, der: &[u8]) -> Result<Self, SignError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        Self::new(
            name,
            pair.map_err(|_| SignError::Key("PKCS #8 in DER form (RFC 8410)"))?,
        )
    }

    fn new(name: KeyName, pair: Ed25519KeyPair) -> Result<Self, SignError> {
        let public = <[u8; 32]>::try_from(pair.public_key().as_ref());
        let public = public.map_err(|_| SignError::Key("a 32-byte public key"))?;
        Ok(Self {
            pair,
            verifier: VerifierKey::new(name, public),
        })
    }

    /// The key as a PKCS #8 version 1 document (DER), to be written to an owner-only file; wiped when dropped.
    ///
    /// # Errors
    /// [`SignError::Key`] when the library cannot export it.
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, SignError> {
        let document = self
            .pair
            .to_pkcs8v1()
            .map_err(|_| SignError::Key("an exportable key"))?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// The key that verifies what this one signs.
    #[must_use]
    pub const fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }
}

impl Signer for Ed25519Signer {
    fn name(&self) -> &KeyName {
        self.verifier.name()
    }

    fn key_id(&self) -> u32 {
        self.verifier.key_id()
    }

    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature = self.pair.try_sign(text).map_err(|_| SignError::Refused {
            name: self.verifier.name().to_string(),
            why: "the cryptographic library failed".to_owned(),
        })?;
        Ok(signature.as_ref().to_vec())
    }
}

impl std::fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ed25519Signer")
            .field("verifier", &self.verifier)
            .finish_non_exhaustive()
    }
}
