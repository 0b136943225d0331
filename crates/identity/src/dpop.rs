//! DPoP (RFC 9449): a proof of possession for one request, and the nonces that keep proofs fresh.

use aws_lc_rs::hmac;
use remit_core::digest::Digest;
use remit_core::limits::{CLOCK_SKEW_MS_MAX, DPOP_AGE_MS_MAX, DPOP_NONCE_MS, JTI_BYTES_MAX};
use remit_core::time::Timestamp;

use crate::algorithm::Algorithm;
use crate::assertion::replay_key;
use crate::b64;
use crate::claims::Claims;
use crate::jws::Jws;
use crate::jwt::JwtError;

/// `typ` of proofs.
const TYP: &str = "dpop+jwt";

/// The algorithms to announce (`dpop_signing_alg_values_supported`).
pub const ALGORITHMS: &[Algorithm] = &[
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Rs256,
    Algorithm::Ps256,
];

/// What a proof must be about.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The request's method.
    pub method: &'a str,
    /// Names of the endpoint that was asked: any of them may be meant.
    pub urls: &'a [&'a str],
    /// The access token presented with it; `None` at the token endpoint.
    pub access_token: Option<&'a str>,
}

/// Why a proof does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DpopError {
    /// Not a proof, or one for another request, token or time: `invalid_dpop_proof`.
    #[error("the DPoP proof does not count: {0}")]
    Invalid(String),
    /// It must carry our nonce: `use_dpop_nonce`.
    #[error("the DPoP proof needs the nonce of this answer's `DPoP-Nonce`")]
    Nonce,
}

impl From<JwtError> for DpopError {
    fn from(error: JwtError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// A proof that holds. It may be used once.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Thumbprint of the key that made it.
    pub jkt: String,
    /// Digest of key and `jti`: to be kept until `expires_at`, refused when seen again.
    pub replay: Digest,
    /// When a replay would be refused for its age.
    pub expires_at: Timestamp,
}

/// Checks a proof against the request it came with (RFC 9449, 4.3). With `nonces`, it must carry a fresh one.
///
/// # Errors
/// [`DpopError`].
pub fn verify(
    proof: &str,
    expected: &Expected<'_>,
    nonces: Option<&Nonces>,
    now: Timestamp,
) -> Result<Proof, DpopError> {
    let invalid = |why: &str| DpopError::Invalid(why.to_owned());
    let jws = Jws::read(proof)?;
    if jws.header.typ.as_deref() != Some(TYP) {
        return Err(invalid("its `typ` is not `dpop+jwt`"));
    }
    if !ALGORITHMS.contains(&jws.header.algorithm) {
        return Err(JwtError::algorithm(jws.header.algorithm.as_str()).into());
    }
    let key = jws
        .header
        .own_key()
        .ok_or_else(|| invalid("its header has no `jwk`"))?;
    let key = key.map_err(|bad| DpopError::Invalid(bad.to_string()))?;
    let claims = Claims(jws.verified_by(&key)?);
    if claims.needed("htm")? != expected.method {
        return Err(invalid("its `htm` is another method"));
    }
    let htu = normal(claims.needed("htu")?).ok_or_else(|| invalid("its `htu` is no http address"))?;
    if !expected.urls.iter().any(|url| normal(url).as_ref() == Some(&htu)) {
        return Err(invalid("its `htu` is another address"));
    }
    match expected.access_token {
        Some(token) => {
            let hash = b64::encode(Digest::of(token.as_bytes()).as_bytes());
            if claims.needed("ath")? != hash {
                return Err(invalid("its `ath` belongs to another token"));
            }
        }
        None if claims.get("ath").is_some() => return Err(invalid("its `ath` belongs to no token here")),
        None => {}
    }
    let issued_at = claims.time("iat")?.ok_or_else(|| invalid("it has no `iat`"))?;
    if now.ms_since(issued_at) > DPOP_AGE_MS_MAX || issued_at.ms_since(now) > CLOCK_SKEW_MS_MAX {
        return Err(JwtError::Issued(issued_at).into());
    }
    let jti = claims.needed("jti")?;
    if jti.len() > JTI_BYTES_MAX {
        return Err(invalid("its `jti` is too long"));
    }
    if let Some(nonces) = nonces {
        match claims.text("nonce")? {
            Some(nonce) if nonces.is_fresh(nonce, now) => {}
            _ => return Err(DpopError::Nonce),
        }
    }
    let jkt = key.thumbprint();
    Ok(Proof {
        replay: replay_key("dpop", &jkt, jti),
        jkt,
        expires_at: issued_at.plus_ms(DPOP_AGE_MS_MAX + CLOCK_SKEW_MS_MAX),
    })
}

/// An address without query and fragment, scheme and host in lower case, without its scheme's own port (RFC 9449, 4.3;
/// RFC 3986, 6.2.3). The path stays as it is.
fn normal(url: &str) -> Option<String> {
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let (scheme, rest) = url.get(..end)?.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let port = match scheme.as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => return None,
    };
    let slash = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(slash)?;
    if authority.is_empty() || authority.contains('@') {
        return None;
    }
    let authority = authority.to_ascii_lowercase();
    let host = authority.strip_suffix(port).unwrap_or(&authority);
    let path = if path.is_empty() { "/" } else { path };
    Some(format!("{scheme}://{host}{path}"))
}

/// Nonces without memory: each names its period, authenticated under a key of ours.
#[derive(Clone)]
pub struct Nonces(hmac::Key);

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces(…)")
    }
}

impl Nonces {
    /// Nonces under 32 secret bytes.
    #[must_use]
    pub fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    /// The nonce to hand out at `now`.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> String {
        self.of(now.0.div_euclid(DPOP_NONCE_MS))
    }

    /// True when `nonce` is of this period or the one before.
    #[must_use]
    pub fn is_fresh(&self, nonce: &str, now: Timestamp) -> bool {
        let period = now.0.div_euclid(DPOP_NONCE_MS);
        [period, period - 1].into_iter().any(|period| {
            aws_lc_rs::constant_time::verify_slices_are_equal(self.of(period).as_bytes(), nonce.as_bytes())
                .is_ok()
        })
    }

    fn of(&self, period: i64) -> String {
        let tag = hmac::sign(
            &self.0,
            &[b"dpop nonce ".as_slice(), &period.to_be_bytes()].concat(),
        );
        b64::encode(tag.as_ref().get(..16).unwrap_or_default())
    }
}
