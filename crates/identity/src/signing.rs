//! Signing keys: ES256, from 32 secret bytes, called by their thumbprint.

use aws_lc_rs::agreement;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use remit_core::json::{Object, Value};
use zeroize::Zeroizing;

use crate::algorithm::Algorithm;
use crate::b64;
use crate::jwk::{PublicKey, Use};

/// A key that cannot be made or used.
#[derive(Debug, thiserror::Error)]
#[error("the signing key cannot be used")]
pub struct KeyFault;

/// An ES256 key. Its `kid` is its RFC 7638 thumbprint, so a name can never belong to two keys.
pub struct SigningKey {
    pair: EcdsaKeyPair,
    kid: String,
    public: PublicKey,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.kid)
    }
}

impl SigningKey {
    /// The key of 32 secret bytes: the scalar is HMAC-SHA256 of a counter under them, the first one in range. The same
    /// bytes always give the same key, so a key file is 32 bytes like the others.
    ///
    /// # Errors
    /// [`KeyFault`] when the library refuses every candidate; that does not happen with working cryptography.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, KeyFault> {
        let mac = hmac::Key::new(hmac::HMAC_SHA256, seed);
        for counter in 0_u8..8 {
            let tag = hmac::sign(&mac, &[b"remit es256 scalar ".as_slice(), &[counter]].concat());
            let scalar = Zeroizing::new(tag.as_ref().to_vec());
            let Ok(private) = agreement::PrivateKey::from_private_key(&agreement::ECDH_P256, &scalar) else {
                continue;
            };
            let public = private.compute_public_key().map_err(|_| KeyFault)?;
            let pair = EcdsaKeyPair::from_private_key_and_public_key(
                &ECDSA_P256_SHA256_FIXED_SIGNING,
                &scalar,
                public.as_ref(),
            )
            .map_err(|_| KeyFault)?;
            return Self::of(pair);
        }
        Err(KeyFault)
    }

    /// A key made elsewhere, as PKCS #8 (RFC 5208) in DER.
    ///
    /// # Errors
    /// [`KeyFault`] when it is no P-256 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyFault> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der).map_err(|_| KeyFault)?;
        Self::of(pair)
    }

    fn of(pair: EcdsaKeyPair) -> Result<Self, KeyFault> {
        let public = PublicKey::from_p256(pair.public_key().as_ref()).map_err(|_| KeyFault)?;
        let kid = public.thumbprint();
        let public = public.named(&kid, Use::Signature);
        Ok(Self { pair, kid, public })
    }

    /// `kid`: the key's thumbprint.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The public half, under its `kid`.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The private key as unencrypted PKCS #8 (RFC 5208), DER: for certificates and for the workload it belongs to.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyFault> {
        let document = self.pair.to_pkcs8v1().map_err(|_| KeyFault)?;
        Ok(Zeroizing::new(document.as_ref().to_vec()))
    }

    /// A compact JWS of `claims`, with `alg`, `kid` and, where given, `typ`.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn sign(&self, typ: Option<&str>, claims: &Object) -> Result<String, KeyFault> {
        let mut header = Object::from_iter([("alg", Algorithm::Es256.as_str()), ("kid", &self.kid)]);
        if let Some(typ) = typ {
            header.insert("typ", typ);
        }
        self.sign_parts(&header, claims)
    }

    /// A compact JWS under exactly this protected header: for proofs that carry their key.
    ///
    /// # Errors
    /// [`KeyFault`].
    pub fn sign_parts(&self, header: &Object, claims: &Object) -> Result<String, KeyFault> {
        let part = |object: &Object| b64::encode(Value::Object(object.clone()).to_canonical().as_ref());
        let mut token = format!("{}.{}", part(header), part(claims));
        let signature = self
            .pair
            .sign(&SystemRandom::new(), token.as_bytes())
            .map_err(|_| KeyFault)?;
        token.push('.');
        token.push_str(&b64::encode(signature.as_ref()));
        Ok(token)
    }
}
