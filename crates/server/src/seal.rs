//! Sealing: bodies at rest under a per-task key, and the `requestState` an agent carries for us.
//!
//! AES-256-GCM (NIST SP 800-38D) with a random 96-bit nonce in front; what a value belongs to is bound as associated data,
//! so that a sealed row copied to another place does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use remit_core::entropy::{Entropy, NoEntropy};
use remit_core::id::TaskId;

use crate::keys::Key;

/// A value that cannot be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// It was sealed for something else, or changed, or its key is gone.
    #[error("the sealed value does not open here: it was changed, or sealed for something else")]
    Broken,
    /// No randomness.
    #[error(transparent)]
    Entropy(#[from] NoEntropy),
}

/// Seals and opens under one key.
#[derive(Debug)]
pub struct Sealer(LessSafeKey);

impl Sealer {
    /// A sealer under `key`.
    ///
    /// # Errors
    /// [`SealError::Broken`] when the key cannot be used.
    pub fn new(key: &Key) -> Result<Self, SealError> {
        let unbound = UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|_| SealError::Broken)?;
        Ok(Self(LessSafeKey::new(unbound)))
    }

    /// The sealer of one task's bodies.
    ///
    /// # Errors
    /// [`SealError::Broken`] when the key cannot be used.
    pub fn for_task(key: &Key, task: TaskId) -> Result<Self, SealError> {
        Self::new(&key.derive(&format!("sealed bodies of {task}")))
    }

    /// Seals `plain`, bound to `place`.
    ///
    /// # Errors
    /// [`SealError::Entropy`] without randomness for the nonce.
    pub fn seal(&self, place: &str, plain: &[u8], entropy: &dyn Entropy) -> Result<Vec<u8>, SealError> {
        let mut nonce = [0_u8; NONCE_LEN];
        entropy.fill(&mut nonce)?;
        let mut body = plain.to_vec();
        self.0
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut body)
            .map_err(|_| SealError::Broken)?;
        let mut out = nonce.to_vec();
        out.append(&mut body);
        Ok(out)
    }

    /// Opens what [`Self::seal`] made for `place`.
    ///
    /// # Errors
    /// [`SealError::Broken`] when it was changed or belongs elsewhere.
    pub fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(SealError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| SealError::Broken)?;
        let mut body = body.to_vec();
        let plain = self
            .0
            .open_in_place(nonce, Aad::from(place), &mut body)
            .map_err(|_| SealError::Broken)?;
        Ok(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::entropy::SystemEntropy;

    #[test]
    fn a_sealed_value_opens_only_in_its_place() {
        let sealer = Sealer::new(&Key::fresh(&SystemEntropy).unwrap()).unwrap();
        let sealed = sealer.seal("call_1", b"body", &SystemEntropy).unwrap();
        assert_eq!(sealer.open("call_1", &sealed).unwrap(), b"body");
        assert!(sealer.open("call_2", &sealed).is_err());
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert!(sealer.open("call_1", &changed).is_err());
        assert!(sealer.open("call_1", b"short").is_err());
    }
}
