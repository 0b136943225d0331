//! JWT-SVIDs (SPIFFE JWT-SVID, 2 to 4): made for one audience, checked against the bundle of their trust domain.

use remit_core::json::Object;
use remit_core::limits::FOREIGN_TOKEN_MS_MAX;
use remit_core::time::Timestamp;

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::jwks::KeySet;
use crate::jwt::{Expect, JwtError, Types, Verifier};
use crate::signing::{KeyFault, SigningKey};
use crate::spiffe::{SpiffeId, TrustDomain};

/// A JWT-SVID that was checked.
#[derive(Clone, Debug)]
pub struct JwtSvid {
    /// Whose it is.
    pub id: SpiffeId,
    /// Its claims.
    pub claims: Claims,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Signs a JWT-SVID for one audience; `more` adds claims, never `sub`, `aud`, `iat` or `exp`. It lives at most five
/// minutes.
///
/// # Errors
/// [`KeyFault`].
pub fn jwt_svid(
    key: &SigningKey,
    id: &SpiffeId,
    audience: &str,
    more: Object,
    issued_at: Timestamp,
    expires_at: Timestamp,
) -> Result<String, KeyFault> {
    let mut claims = more;
    claims.insert("sub", id.as_str());
    claims.insert("aud", remit_core::array![audience]);
    claims.insert("iat", issued_at.0.div_euclid(1000));
    let expires_at = expires_at.min(issued_at.plus_ms(FOREIGN_TOKEN_MS_MAX));
    claims.insert("exp", expires_at.0.div_euclid(1000));
    key.sign(Some("JWT"), &claims)
}

/// Checks a JWT-SVID: `keys` are those of `domain`, and only identities of that domain are taken from it, whatever else
/// its keys may have signed.
///
/// # Errors
/// [`JwtError`].
pub fn verify_jwt_svid(
    token: &str,
    keys: &KeySet,
    domain: &TrustDomain,
    audiences: &[&str],
    now: Timestamp,
) -> Result<JwtSvid, JwtError> {
    let expect = Expect {
        audiences,
        types: Types::AbsentOr(&["jwt", "jose"]),
        algorithms: Algorithm::SVID,
        required: &["sub"],
        plain_header: true,
        ..Expect::default()
    };
    let verified = Verifier { keys, expect }.verify(token, now)?;
    let id: SpiffeId = verified
        .claims
        .needed("sub")?
        .parse()
        .map_err(|_| JwtError::Claim("sub"))?;
    if id.trust_domain() != domain || id.path().is_empty() {
        return Err(JwtError::Claim("sub"));
    }
    Ok(JwtSvid {
        id,
        claims: verified.claims,
        expires_at: verified.expires_at,
    })
}
