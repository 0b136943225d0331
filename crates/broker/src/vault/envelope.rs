//! Envelope encryption: the one place where stored values are opened.
//!
//! AES-256-GCM (NIST SP 800-38D). Every version has a random data key of its own, used once, so nonces cannot meet even
//! after a restore or a clone. What a value belongs to (`secret/NAME/VERSION`) is bound into both layers: a row moved to
//! another place does not open.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use remit_core::entropy::Entropy;
use remit_core::name::Name;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::{Zeroize as _, Zeroizing};

use super::{VaultError, Wrap};

/// A sealed value, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The data key, wrapped.
    pub wrapped: Vec<u8>,
    /// Nonce, ciphertext and tag.
    pub body: Vec<u8>,
}

impl Sealed {
    /// Both parts in one piece, for rows with one column.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.wrapped.len()).unwrap_or(u32::MAX);
        [&length.to_be_bytes(), &*self.wrapped, &*self.body].concat()
    }

    /// Reads [`Sealed::to_bytes`] back.
    ///
    /// # Errors
    /// [`VaultError::Broken`] when it is cut off.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, VaultError> {
        let (length, rest) = bytes.split_first_chunk::<4>().ok_or(VaultError::Broken)?;
        let length = usize::try_from(u32::from_be_bytes(*length)).map_err(|_| VaultError::Broken)?;
        let (wrapped, body) = rest.split_at_checked(length).ok_or(VaultError::Broken)?;
        Ok(Self {
            wrapped: wrapped.to_vec(),
            body: body.to_vec(),
        })
    }
}

/// What a version is bound to.
fn place(secret: &Name, version: i64) -> String {
    format!("secret/{secret}/{version}")
}

/// Seals a value as `version` of `secret`.
///
/// # Errors
/// [`VaultError`] without randomness, or when the key-encryption key cannot be used.
pub async fn seal(
    kek: &dyn Wrap,
    entropy: &dyn Entropy,
    secret: &Name,
    version: i64,
    value: &SecretString,
) -> Result<Sealed, VaultError> {
    seal_at(kek, entropy, &place(secret, version), value).await
}

/// Seals a value that is no version of a secret: `place` says what it belongs to (`lease/ID`), and it opens there alone.
///
/// # Errors
/// As [`seal`].
pub async fn seal_at(
    kek: &dyn Wrap,
    entropy: &dyn Entropy,
    place: &str,
    value: &SecretString,
) -> Result<Sealed, VaultError> {
    let mut data_key = Zeroizing::new([0_u8; 32]);
    entropy.fill(data_key.as_mut())?;
    let mut nonce = [0_u8; NONCE_LEN];
    entropy.fill(&mut nonce)?;
    let mut sealed = value.expose_secret().as_bytes().to_vec();
    let key = UnboundKey::new(&AES_256_GCM, data_key.as_ref()).map_err(|_| VaultError::Broken)?;
    LessSafeKey::new(key)
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place), &mut sealed)
        .map_err(|_| VaultError::Broken)?;
    let wrapped = kek.wrap(place, &data_key).await?;
    let mut body = nonce.to_vec();
    body.append(&mut sealed);
    Ok(Sealed { wrapped, body })
}

/// Opens `version` of `secret`.
///
/// # Errors
/// [`VaultError`] when it was changed or moved, or the key-encryption key is another or cannot be used.
pub async fn open(
    kek: &dyn Wrap,
    secret: &Name,
    version: i64,
    sealed: &Sealed,
) -> Result<SecretString, VaultError> {
    open_at(kek, &place(secret, version), sealed).await
}

/// Opens what was sealed at `place`.
///
/// # Errors
/// As [`open`].
pub async fn open_at(kek: &dyn Wrap, place: &str, sealed: &Sealed) -> Result<SecretString, VaultError> {
    let data_key = kek.unwrap(place, &sealed.wrapped).await?;
    let (nonce, body) = sealed
        .body
        .split_at_checked(NONCE_LEN)
        .ok_or(VaultError::Broken)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Broken)?;
    let key = UnboundKey::new(&AES_256_GCM, data_key.as_ref()).map_err(|_| VaultError::Broken)?;
    let mut body = Zeroizing::new(body.to_vec());
    let plain = LessSafeKey::new(key)
        .open_in_place(nonce, Aad::from(place), &mut body)
        .map_err(|_| VaultError::Broken)?;
    let text = std::str::from_utf8(plain).map_err(|_| VaultError::Broken)?;
    let opened = SecretString::from(text);
    plain.zeroize();
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use remit_core::entropy::SystemEntropy;

    use super::*;
    use crate::vault::LocalKek;

    fn kek(byte: u8) -> LocalKek {
        LocalKek::new(&[byte; 32], Arc::new(SystemEntropy)).unwrap()
    }

    fn name(text: &str) -> Name {
        text.parse().unwrap()
    }

    async fn sealed(secret: &str, version: i64) -> Sealed {
        let value = SecretString::from("canary-7f3a");
        seal(&kek(1), &SystemEntropy, &name(secret), version, &value)
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn a_value_opens_only_in_its_place_and_under_its_key() {
        let one = sealed("github", 1).await;
        let opened = open(&kek(1), &name("github"), 1, &one).await.unwrap();
        assert_eq!(opened.expose_secret(), "canary-7f3a");
        assert!(open(&kek(1), &name("github"), 2, &one).await.is_err());
        assert!(open(&kek(1), &name("stripe"), 1, &one).await.is_err());
        assert!(open(&kek(2), &name("github"), 1, &one).await.is_err());
    }

    #[tokio::test]
    async fn a_value_elsewhere_opens_there_alone_and_lies_in_one_piece() {
        let value = SecretString::from("canary-7f3a");
        let sealed = seal_at(&kek(1), &SystemEntropy, "lease/a", &value).await.unwrap();
        let read = Sealed::from_bytes(&sealed.to_bytes()).unwrap();
        assert_eq!(read, sealed);
        assert_eq!(
            open_at(&kek(1), "lease/a", &read).await.unwrap().expose_secret(),
            "canary-7f3a"
        );
        assert!(open_at(&kek(1), "lease/b", &read).await.is_err());
        assert!(Sealed::from_bytes(&[0, 0, 1]).is_err() && Sealed::from_bytes(&[0, 0, 0, 9, 1]).is_err());
    }

    #[tokio::test]
    async fn swapped_and_changed_rows_do_not_open() {
        let (one, two) = (sealed("github", 1).await, sealed("github", 2).await);
        let swapped = Sealed {
            wrapped: two.wrapped.clone(),
            body: one.body.clone(),
        };
        assert!(open(&kek(1), &name("github"), 1, &swapped).await.is_err());
        for at in 0..one.wrapped.len() {
            let mut changed = one.clone();
            changed.wrapped[at] ^= 1;
            assert!(
                open(&kek(1), &name("github"), 1, &changed).await.is_err(),
                "wrapped {at}"
            );
        }
        for at in 0..one.body.len() {
            let mut changed = one.clone();
            changed.body[at] ^= 1;
            assert!(
                open(&kek(1), &name("github"), 1, &changed).await.is_err(),
                "body {at}"
            );
        }
    }

    #[tokio::test]
    async fn two_versions_of_one_value_have_nothing_in_common() {
        let (one, two) = (sealed("github", 1).await, sealed("github", 1).await);
        assert_ne!(one.wrapped, two.wrapped);
        assert_ne!(one.body, two.body);
        assert!(!format!("{one:?}{:?}", kek(1)).contains("canary"));
    }

    #[tokio::test]
    async fn without_randomness_nothing_is_sealed() {
        struct Dry;
        impl Entropy for Dry {
            fn fill(&self, _: &mut [u8]) -> Result<(), remit_core::entropy::NoEntropy> {
                Err(remit_core::entropy::NoEntropy)
            }
        }
        let sealed = seal(&kek(1), &Dry, &name("github"), 1, &SecretString::from("x")).await;
        assert!(matches!(sealed, Err(VaultError::Entropy)));
    }
}
