//! A compact JWS (RFC 7515, 3.1), taken apart before anything in it is believed.

use remit_core::json::{self, Bounds, Nul, Numbers, Object, Value};
use remit_core::limits::{JOSE_BYTES_MAX, JOSE_DEPTH_MAX, JOSE_NODES_MAX};

use crate::algorithm::Algorithm;
use crate::b64;
use crate::jwk::{BadJwk, PublicKey};
use crate::jwt::JwtError;

const BOUNDS: Bounds = Bounds {
    bytes_max: JOSE_BYTES_MAX,
    depth_max: JOSE_DEPTH_MAX,
    nodes_max: JOSE_NODES_MAX,
    numbers: Numbers::Verbatim,
    nul: Nul::Refused,
};

/// Header members by which a sender could choose our key, our parser or our meaning: never taken.
const REFUSED: [&str; 8] = ["jku", "x5u", "x5c", "crit", "b64", "enc", "zip", "epk"];

/// The protected header.
#[derive(Clone, Debug)]
pub struct Header {
    /// `alg`.
    pub algorithm: Algorithm,
    /// `kid`.
    pub kid: Option<String>,
    /// `typ`, lower-case, without `application/` (RFC 7515, 4.1.9).
    pub typ: Option<String>,
    /// `jwk`, as it was sent; only proofs of possession may have one.
    pub(crate) jwk: Option<Object>,
    /// True when there was nothing but `alg`, `kid` and `typ`.
    pub(crate) plain: bool,
}

impl Header {
    fn read(bytes: &[u8]) -> Result<Self, JwtError> {
        let value =
            json::parse(bytes, &BOUNDS).map_err(|error| JwtError::Json("header", error.to_string()))?;
        let members = value
            .as_object()
            .ok_or(JwtError::Shape("its header is not an object"))?;
        if let Some(name) = REFUSED.into_iter().find(|name| members.contains_key(name)) {
            return Err(JwtError::Header(name));
        }
        let text = |name: &'static str| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(JwtError::Header(name)),
        };
        let algorithm = text("alg")?.ok_or(JwtError::Header("alg"))?;
        let algorithm = Algorithm::parse(algorithm).ok_or_else(|| JwtError::algorithm(algorithm))?;
        let typ = text("typ")?.map(|typ| {
            let typ = typ.to_ascii_lowercase();
            typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
        });
        if text("cty")?.is_some_and(|cty| cty.to_ascii_lowercase().contains("jwt")) {
            return Err(JwtError::Shape(
                "it holds another token: nested tokens are not taken",
            ));
        }
        let jwk = match members.get("jwk") {
            None => None,
            Some(Value::Object(jwk)) => Some(jwk.clone()),
            Some(_) => return Err(JwtError::Header("jwk")),
        };
        Ok(Self {
            algorithm,
            kid: text("kid")?.map(str::to_owned),
            typ,
            jwk,
            plain: members.keys().all(|name| ["alg", "kid", "typ"].contains(&name)),
        })
    }

    /// The key the header itself carries: for proofs of possession alone, which prove just that.
    ///
    /// # Errors
    /// [`BadJwk`] when it is none.
    pub(crate) fn own_key(&self) -> Option<Result<PublicKey, BadJwk>> {
        self.jwk.as_ref().map(PublicKey::from_jwk)
    }
}

/// A compact JWS whose header was read; nothing of it is verified yet.
#[derive(Debug)]
pub struct Jws<'a> {
    /// The header.
    pub header: Header,
    /// What was signed: header and payload as they were sent.
    signed: &'a str,
    payload: &'a str,
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    /// Takes a token apart.
    ///
    /// # Errors
    /// [`JwtError`] when it is too long, not three parts of base64url, or its header asks for what we never do.
    pub fn read(token: &'a str) -> Result<Self, JwtError> {
        if token.len() > JOSE_BYTES_MAX {
            return Err(JwtError::TooLarge);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtError::NOT_COMPACT)?;
        let (header, payload) = signed.split_once('.').ok_or(JwtError::NOT_COMPACT)?;
        if payload.contains('.') || header.is_empty() || signature.is_empty() {
            return Err(JwtError::NOT_COMPACT);
        }
        let header = b64::decode(header).ok_or(JwtError::NOT_COMPACT)?;
        let signature = b64::decode(signature).ok_or(JwtError::NOT_COMPACT)?;
        Ok(Self {
            header: Header::read(&header)?,
            signed,
            payload,
            signature,
        })
    }

    /// The payload, once `key` is found to have signed it.
    ///
    /// # Errors
    /// [`JwtError::Signature`], or what is wrong with the payload.
    pub fn verified_by(&self, key: &PublicKey) -> Result<Object, JwtError> {
        if !key.verifies(self.header.algorithm, self.signed.as_bytes(), &self.signature) {
            return Err(JwtError::Signature);
        }
        self.unverified()
    }

    /// The payload as it was sent: for choosing which issuer's keys to check it with, for nothing else.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn unverified(&self) -> Result<Object, JwtError> {
        let payload = b64::decode(self.payload).ok_or(JwtError::NOT_COMPACT)?;
        let value =
            json::parse(&payload, &BOUNDS).map_err(|error| JwtError::Json("payload", error.to_string()))?;
        match value {
            Value::Object(claims) => Ok(claims),
            _ => Err(JwtError::Shape("its payload is not an object")),
        }
    }
}
