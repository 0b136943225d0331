//! Sets of keys: JWKS (RFC 7517, 5) and SPIFFE bundles (SPIFFE Trust Domain and Bundle, 4).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remit_core::json::{self, Bounds, Nul, Numbers, Object, Value};
use remit_core::limits::{JOSE_DEPTH_MAX, JWKS_BYTES_MAX, JWKS_KEYS_MAX, JWKS_NODES_MAX};
use rustls_pki_types::CertificateDer;

use crate::algorithm::Algorithm;
use crate::jwk::{PublicKey, Use};

/// A document that is not a JWKS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadJwks {
    /// Not JSON we read.
    #[error("the key set is not the JSON it should be: {0}")]
    Json(String),
    /// No `keys`, or too many.
    #[error("a key set has an array `keys` of at most {JWKS_KEYS_MAX} keys")]
    Keys,
    /// Two keys under one `kid`.
    #[error("two keys of the set are both called `{0}`")]
    Twice(String),
    /// Nothing in it can be used.
    #[error("no key of the set can be used here")]
    Empty,
}

const BOUNDS: Bounds = Bounds {
    bytes_max: JWKS_BYTES_MAX,
    depth_max: JOSE_DEPTH_MAX,
    nodes_max: JWKS_NODES_MAX,
    numbers: Numbers::Verbatim,
    nul: Nul::Refused,
};

/// Keys by which signatures of one issuer are checked.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// The set of these keys.
    #[must_use]
    pub const fn new(keys: Vec<PublicKey>) -> Self {
        Self { keys }
    }

    /// Reads a JWKS. Keys of types and uses we do not take are left out, as RFC 7517, 5 wants it.
    ///
    /// # Errors
    /// [`BadJwks`] when it is not one, two of its keys share a `kid`, or nothing of it can be used.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadJwks> {
        Self::from_members(&members(bytes)?)
    }

    fn from_members(members: &[Object]) -> Result<Self, BadJwks> {
        let mut keys: Vec<PublicKey> = Vec::new();
        for jwk in members {
            let Ok(key) = PublicKey::from_jwk(jwk) else {
                continue;
            };
            if let Some(kid) = key.kid()
                && keys.iter().any(|other| other.kid() == Some(kid))
            {
                return Err(BadJwks::Twice(kid.chars().take(120).collect()));
            }
            keys.push(key);
        }
        if keys.is_empty() {
            return Err(BadJwks::Empty);
        }
        Ok(Self { keys })
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.keys
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key a token's header points to: the one of its `kid`, or, without one, the only one that allows its
    /// algorithm. Never a guess among several.
    #[must_use]
    pub fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self
            .keys
            .iter()
            .filter(|key| key.allows(algorithm) && kid.is_none_or(|kid| key.kid() == Some(kid)));
        let found = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }

    /// The JWKS document.
    #[must_use]
    pub fn to_document(&self) -> Object {
        let keys: Vec<Value> = self.keys.iter().map(|key| Value::Object(key.to_jwk())).collect();
        Object::from_iter([("keys", Value::Array(keys))])
    }
}

/// The SPIFFE bundle of one trust domain.
#[derive(Clone, Debug, Default)]
pub struct Bundle {
    /// Keys of JWT-SVIDs.
    pub jwt: KeySet,
    /// CA certificates of X.509-SVIDs, DER.
    pub x509: Vec<CertificateDer<'static>>,
    /// `spiffe_sequence`.
    pub sequence: Option<u64>,
    /// `spiffe_refresh_hint`, in seconds.
    pub refresh_hint_s: Option<u64>,
}

impl Bundle {
    /// Reads a SPIFFE bundle. Entries with other or without `use` are left out (4.2.2).
    ///
    /// # Errors
    /// [`BadJwks`] when it is no JWK set or names nothing we can use.
    pub fn parse(bytes: &[u8]) -> Result<Self, BadJwks> {
        let root = json::parse(bytes, &BOUNDS).map_err(|error| BadJwks::Json(error.to_string()))?;
        let entries = members_of(&root)?;
        let usage = |entry: &Object| entry.get("use").and_then(Value::as_str).map(str::to_owned);
        let jwt: Vec<Object> = entries
            .iter()
            .filter(|entry| usage(entry).as_deref() == Some(Use::JwtSvid.as_str()))
            .cloned()
            .collect();
        let jwt = match KeySet::from_members(&jwt) {
            Err(BadJwks::Empty) => KeySet::default(),
            other => other?,
        };
        let x509: Vec<CertificateDer<'static>> = entries
            .iter()
            .filter(|entry| usage(entry).as_deref() == Some("x509-svid"))
            .filter_map(|entry| entry.get("x5c")?.as_array()?.first()?.as_str())
            .filter_map(|text| STANDARD.decode(text).ok())
            .map(CertificateDer::from)
            .collect();
        if jwt.is_empty() && x509.is_empty() {
            return Err(BadJwks::Empty);
        }
        Ok(Self {
            jwt,
            x509,
            sequence: root.get("spiffe_sequence").and_then(Value::as_u64),
            refresh_hint_s: root.get("spiffe_refresh_hint").and_then(Value::as_u64),
        })
    }
}

/// The SPIFFE bundle document of our keys: `jwt` under `use: jwt-svid`, certificates with `x5c` and without `kid`
/// (X509-SVID, 6.1). Only P-256 certificates of our own making are published.
#[must_use]
pub fn bundle_document(
    jwt: &[PublicKey],
    x509: &[(PublicKey, CertificateDer<'static>)],
    sequence: u64,
    refresh_hint_s: u64,
) -> Object {
    let mut keys = Vec::new();
    for (key, certificate) in x509 {
        let mut jwk = key.to_jwk();
        jwk.remove("kid");
        jwk.remove("alg");
        jwk.insert("use", "x509-svid");
        jwk.insert(
            "x5c",
            Value::Array(vec![Value::from(STANDARD.encode(certificate))]),
        );
        keys.push(Value::Object(jwk));
    }
    for key in jwt {
        let mut jwk = key.to_jwk();
        jwk.insert("use", Use::JwtSvid.as_str());
        keys.push(Value::Object(jwk));
    }
    let integer = |number: u64| Value::from(i64::try_from(number).unwrap_or(i64::MAX));
    Object::from_iter([
        ("keys", Value::Array(keys)),
        ("spiffe_refresh_hint", integer(refresh_hint_s)),
        ("spiffe_sequence", integer(sequence)),
    ])
}

fn members(bytes: &[u8]) -> Result<Vec<Object>, BadJwks> {
    let root = json::parse(bytes, &BOUNDS).map_err(|error| BadJwks::Json(error.to_string()))?;
    members_of(&root)
}

fn members_of(root: &Value) -> Result<Vec<Object>, BadJwks> {
    let keys = root.get("keys").and_then(Value::as_array).ok_or(BadJwks::Keys)?;
    if keys.len() > JWKS_KEYS_MAX {
        return Err(BadJwks::Keys);
    }
    keys.iter()
        .map(|key| key.as_object().cloned().ok_or(BadJwks::Keys))
        .collect()
}
