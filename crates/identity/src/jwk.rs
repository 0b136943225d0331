//! Public keys as JWK (RFC 7517, RFC 7518, 6; RFC 8037), read strictly, and their thumbprints (RFC 7638).

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents};
use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_core::object;

use crate::algorithm::Algorithm;
use crate::b64;

/// What a key is for (`use`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// `sig`: signatures of any kind.
    Signature,
    /// `jwt-svid`: JWT-SVIDs of a trust domain.
    JwtSvid,
}

impl Use {
    /// The word in JOSE.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature => "sig",
            Self::JwtSvid => "jwt-svid",
        }
    }
}

/// A JWK that cannot be used to check a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJwk {
    /// A required member is missing or not of its form.
    #[error("the key's `{0}` is missing or not what it should be")]
    Member(&'static str),
    /// It holds a private or symmetric key.
    #[error("the key holds secret material in `{0}`: send the public key only")]
    Secret(&'static str),
    /// A kind of key we do not take.
    #[error("keys of type `{0}` are not taken")]
    Kind(String),
    /// Not a point of its curve, or an RSA key too small or too large.
    #[error("the key is not a valid public key of its type")]
    Material,
}

/// Members of secret keys (RFC 7518, 6.2.2, 6.3.2, 6.4).
const SECRET: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// RSA moduli below this many bytes (2048 bits) are refused.
const RSA_BYTES_MIN: usize = 256;
/// RSA moduli above this many bytes (8192 bits) are refused.
const RSA_BYTES_MAX: usize = 1024;

#[derive(Clone)]
enum Material {
    /// One algorithm, one parsed key.
    Curve {
        algorithm: Algorithm,
        curve: &'static str,
        x: Vec<u8>,
        y: Option<Vec<u8>>,
        key: ParsedPublicKey,
    },
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
}

/// A public key that checks signatures, with the algorithms it may be used with: those its type allows, narrowed by its
/// own `alg`. What a token's header says never widens them.
#[derive(Clone)]
pub struct PublicKey {
    kid: Option<Box<str>>,
    usage: Option<Use>,
    only: Option<Algorithm>,
    material: Material,
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublicKey")
            .field("kid", &self.kid)
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Reads a JWK.
    ///
    /// # Errors
    /// [`BadJwk`] when it is secret, of a kind we do not take, or not a valid key.
    pub fn from_jwk(jwk: &Object) -> Result<Self, BadJwk> {
        if let Some(secret) = SECRET.into_iter().find(|name| jwk.contains_key(name)) {
            return Err(BadJwk::Secret(secret));
        }
        let kind = text(jwk, "kty")?.ok_or(BadJwk::Member("kty"))?;
        let usage = match text(jwk, "use")? {
            None => None,
            Some("sig") => Some(Use::Signature),
            Some("jwt-svid") => Some(Use::JwtSvid),
            Some(_) => return Err(BadJwk::Member("use")),
        };
        if let Some(operations) = jwk.get("key_ops") {
            let verify = Value::from("verify");
            if !operations.as_array().is_some_and(|list| list.contains(&verify)) {
                return Err(BadJwk::Member("key_ops"));
            }
        }
        let only = match text(jwk, "alg")? {
            None => None,
            Some(name) => Some(Algorithm::parse(name).ok_or(BadJwk::Member("alg"))?),
        };
        let material = match kind {
            "EC" => Material::ec(jwk)?,
            "OKP" => Material::okp(jwk)?,
            "RSA" => Material::rsa(jwk)?,
            other => return Err(BadJwk::Kind(other.chars().take(20).collect())),
        };
        let key = Self {
            kid: text(jwk, "kid")?.map(Into::into),
            usage,
            only,
            material,
        };
        if key.only.is_some_and(|only| !key.fits(only)) {
            return Err(BadJwk::Member("alg"));
        }
        Ok(key)
    }

    /// An uncompressed P-256 point (65 bytes), as our signing keys and certificates have it.
    ///
    /// # Errors
    /// [`BadJwk::Material`] when it is no such point.
    pub fn from_p256(point: &[u8]) -> Result<Self, BadJwk> {
        let (x, y) = match point.split_first() {
            Some((4, rest)) if rest.len() == 64 => rest.split_at(32),
            _ => return Err(BadJwk::Material),
        };
        Ok(Self {
            kid: None,
            usage: None,
            only: None,
            material: Material::curve(&EC[0], x.to_vec(), y.to_vec())?,
        })
    }

    /// The same key under a `kid` and a `use`.
    #[must_use]
    pub fn named(mut self, kid: &str, usage: Use) -> Self {
        self.kid = Some(kid.into());
        self.usage = Some(usage);
        self
    }

    /// `kid`.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// `use`.
    #[must_use]
    pub const fn usage(&self) -> Option<Use> {
        self.usage
    }

    fn fits(&self, algorithm: Algorithm) -> bool {
        match &self.material {
            Material::Curve { algorithm: own, .. } => *own == algorithm,
            Material::Rsa { .. } => rsa_parameters(algorithm).is_some(),
        }
    }

    /// True when this key may check a signature of `algorithm`.
    #[must_use]
    pub fn allows(&self, algorithm: Algorithm) -> bool {
        self.only.is_none_or(|only| only == algorithm) && self.fits(algorithm)
    }

    /// True when `signature` over `message` was made by this key with `algorithm`.
    #[must_use]
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        if !self.allows(algorithm) {
            return false;
        }
        match &self.material {
            Material::Curve { key, .. } => key.verify_sig(message, signature).is_ok(),
            Material::Rsa { n, e } => rsa_parameters(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }
                    .verify(parameters, message, signature)
                    .is_ok()
            }),
        }
    }

    /// The members that make the key, no others: what is hashed (RFC 7638, 3.2).
    fn required(&self) -> Object {
        let value = match &self.material {
            Material::Curve {
                curve, x, y: Some(y), ..
            } => object! {
                "crv": *curve, "kty": "EC", "x": b64::encode(x), "y": b64::encode(y),
            },
            Material::Curve {
                curve, x, y: None, ..
            } => object! {
                "crv": *curve, "kty": "OKP", "x": b64::encode(x),
            },
            Material::Rsa { n, e } => object! {
                "e": b64::encode(e), "kty": "RSA", "n": b64::encode(n),
            },
        };
        match value {
            Value::Object(members) => members,
            _ => Object::new(),
        }
    }

    /// The JWK thumbprint: base64url of the SHA-256 of the required members in canonical form (RFC 7638).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        let canonical = Value::Object(self.required()).to_canonical();
        b64::encode(Digest::of(canonical.as_ref()).as_bytes())
    }

    /// The JWK, with `kid`, `use` and `alg` where the key has one.
    #[must_use]
    pub fn to_jwk(&self) -> Object {
        let mut jwk = self.required();
        if let Some(kid) = &self.kid {
            jwk.insert("kid", &**kid);
        }
        if let Some(usage) = self.usage {
            jwk.insert("use", usage.as_str());
        }
        match (&self.material, self.only) {
            (Material::Curve { algorithm, .. }, _) => jwk.insert("alg", algorithm.as_str()),
            (Material::Rsa { .. }, Some(only)) => jwk.insert("alg", only.as_str()),
            (Material::Rsa { .. }, None) => None,
        };
        jwk
    }
}

/// A member that must be a string when it is there.
fn text<'a>(jwk: &'a Object, name: &'static str) -> Result<Option<&'a str>, BadJwk> {
    match jwk.get(name) {
        None => Ok(None),
        Some(value) => value.as_str().map(Some).ok_or(BadJwk::Member(name)),
    }
}

fn bytes(jwk: &Object, name: &'static str) -> Result<Vec<u8>, BadJwk> {
    text(jwk, name)?.and_then(b64::decode).ok_or(BadJwk::Member(name))
}

struct Curve {
    name: &'static str,
    algorithm: Algorithm,
    bytes: usize,
    verification: &'static dyn signature::VerificationAlgorithm,
}

static EC: [Curve; 3] = [
    Curve {
        name: "P-256",
        algorithm: Algorithm::Es256,
        bytes: 32,
        verification: &signature::ECDSA_P256_SHA256_FIXED,
    },
    Curve {
        name: "P-384",
        algorithm: Algorithm::Es384,
        bytes: 48,
        verification: &signature::ECDSA_P384_SHA384_FIXED,
    },
    Curve {
        name: "P-521",
        algorithm: Algorithm::Es512,
        bytes: 66,
        verification: &signature::ECDSA_P521_SHA512_FIXED,
    },
];

impl Material {
    fn curve(curve: &'static Curve, x: Vec<u8>, y: Vec<u8>) -> Result<Self, BadJwk> {
        if x.len() != curve.bytes || y.len() != curve.bytes {
            return Err(BadJwk::Material);
        }
        let mut point = Vec::with_capacity(1 + 2 * curve.bytes);
        point.push(4);
        point.extend_from_slice(&x);
        point.extend_from_slice(&y);
        let key = ParsedPublicKey::new(curve.verification, point).map_err(|_| BadJwk::Material)?;
        Ok(Self::Curve {
            algorithm: curve.algorithm,
            curve: curve.name,
            x,
            y: Some(y),
            key,
        })
    }

    fn ec(jwk: &Object) -> Result<Self, BadJwk> {
        let name = text(jwk, "crv")?.ok_or(BadJwk::Member("crv"))?;
        let curve = EC.iter().find(|curve| curve.name == name);
        Self::curve(
            curve.ok_or(BadJwk::Member("crv"))?,
            bytes(jwk, "x")?,
            bytes(jwk, "y")?,
        )
    }

    fn okp(jwk: &Object) -> Result<Self, BadJwk> {
        if text(jwk, "crv")? != Some("Ed25519") {
            return Err(BadJwk::Member("crv"));
        }
        let x = bytes(jwk, "x")?;
        if x.len() != 32 {
            return Err(BadJwk::Material);
        }
        let key = ParsedPublicKey::new(&signature::ED25519, &x).map_err(|_| BadJwk::Material)?;
        Ok(Self::Curve {
            algorithm: Algorithm::EdDsa,
            curve: "Ed25519",
            x,
            y: None,
            key,
        })
    }

    fn rsa(jwk: &Object) -> Result<Self, BadJwk> {
        let (n, e) = (bytes(jwk, "n")?, bytes(jwk, "e")?);
        let leading_zero = n.first() == Some(&0) || e.first() == Some(&0);
        if leading_zero || !(RSA_BYTES_MIN..=RSA_BYTES_MAX).contains(&n.len()) || e.is_empty() || e.len() > 8
        {
            return Err(BadJwk::Material);
        }
        Ok(Self::Rsa { n, e })
    }
}

/// `None` for algorithms that are not RSA's.
fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa => return None,
    })
}
