//! The key-encryption key: it wraps data keys and does nothing else.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use remit_core::digest::Digest;
use remit_core::entropy::Entropy;
use zeroize::Zeroizing;

use super::VaultError;
use crate::port::Pending;

/// Letters of the key's own name in front of what it wrapped, so that the wrong key is told from damage.
const NAME_BYTES: usize = 8;

/// A data key: 32 bytes, wiped when dropped.
pub type DataKey = Zeroizing<[u8; 32]>;

/// Wraps and unwraps data keys. `place` is bound into the result: a wrapped key opens only where it belongs.
pub trait Wrap: Send + Sync {
    /// Wraps `key` for `place`.
    fn wrap<'a>(&'a self, place: &'a str, key: &'a DataKey) -> Pending<'a, Result<Vec<u8>, VaultError>>;

    /// Gives the data key back.
    fn unwrap<'a>(&'a self, place: &'a str, wrapped: &'a [u8]) -> Pending<'a, Result<DataKey, VaultError>>;
}

/// A key of this machine: from an owner-only file or a systemd credential.
pub struct LocalKek {
    name: [u8; NAME_BYTES],
    key: LessSafeKey,
    entropy: std::sync::Arc<dyn Entropy>,
}

impl std::fmt::Debug for LocalKek {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LocalKek(…)")
    }
}

impl LocalKek {
    /// The key of these bytes.
    ///
    /// # Errors
    /// [`VaultError::Broken`] when they cannot be a key.
    pub fn new(bytes: &[u8; 32], entropy: std::sync::Arc<dyn Entropy>) -> Result<Self, VaultError> {
        let unbound = UnboundKey::new(&AES_256_GCM, bytes).map_err(|_| VaultError::Broken)?;
        // The name says which key it is, not what it is: a hash over a random key gives nothing away.
        let mut preimage = Zeroizing::new(b"remit key-encryption key name\0".to_vec());
        preimage.extend_from_slice(bytes);
        let digest = Digest::of(&preimage);
        let mut name = [0_u8; NAME_BYTES];
        name.iter_mut()
            .zip(digest.as_bytes())
            .for_each(|(to, from)| *to = *from);
        Ok(Self {
            name,
            key: LessSafeKey::new(unbound),
            entropy,
        })
    }

    fn wrap_now(&self, place: &str, key: &DataKey) -> Result<Vec<u8>, VaultError> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.entropy.fill(&mut nonce)?;
        let mut body = key.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut body)
            .map_err(|_| VaultError::Broken)?;
        let mut out = self.name.to_vec();
        out.extend_from_slice(&nonce);
        out.append(&mut body);
        Ok(out)
    }

    fn unwrap_now(&self, place: &str, wrapped: &[u8]) -> Result<DataKey, VaultError> {
        let rest = wrapped.strip_prefix(&self.name).ok_or(VaultError::Broken)?;
        let (nonce, body) = rest.split_at_checked(NONCE_LEN).ok_or(VaultError::Broken)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Broken)?;
        let mut body = Zeroizing::new(body.to_vec());
        let plain = self
            .key
            .open_in_place(nonce, Aad::from(place), &mut body)
            .map_err(|_| VaultError::Broken)?;
        let key: [u8; 32] = (&*plain).try_into().map_err(|_| VaultError::Broken)?;
        Ok(Zeroizing::new(key))
    }
}

impl Wrap for LocalKek {
    fn wrap<'a>(&'a self, place: &'a str, key: &'a DataKey) -> Pending<'a, Result<Vec<u8>, VaultError>> {
        Box::pin(async move { self.wrap_now(place, key) })
    }

    fn unwrap<'a>(&'a self, place: &'a str, wrapped: &'a [u8]) -> Pending<'a, Result<DataKey, VaultError>> {
        Box::pin(async move { self.unwrap_now(place, wrapped) })
    }
}
