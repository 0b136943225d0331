//! `private_key_jwt` (RFC 7523, 2.2 and 3; OpenID Connect Core, 9): a client proves itself by a token it signed.

use remit_core::digest::Digest;
use remit_core::limits::ASSERTION_MS_MAX;
use remit_core::time::Timestamp;

use crate::algorithm::Algorithm;
use crate::jwks::KeySet;
use crate::jwt::{Expect, JwtError, Types, Verifier};

/// `client_assertion_type` of these assertions.
pub const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Where an assertion may be meant for.
#[derive(Clone, Copy, Debug)]
pub struct AssertionPolicy<'a> {
    /// Our issuer URL and our token endpoint.
    pub audiences: &'a [&'a str],
    /// The client that is expected to have signed.
    pub client_id: &'a str,
}

/// An assertion that holds. It may be used once.
#[derive(Clone, Debug)]
pub struct ClientAssertion {
    /// Digest of client and `jti`: to be kept until `expires_at`, refused when seen again.
    pub replay: Digest,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Checks a client assertion: issuer and subject are the client, the audience is us alone, it lives ten minutes at most
/// and has a `jti`.
///
/// # Errors
/// [`JwtError`]: the surface answers `invalid_client`.
pub fn client_assertion(
    token: &str,
    keys: &KeySet,
    policy: &AssertionPolicy<'_>,
    now: Timestamp,
) -> Result<ClientAssertion, JwtError> {
    let expect = Expect {
        issuer: Some(policy.client_id),
        audiences: policy.audiences,
        one_audience: true,
        types: Types::AbsentOr(&["jwt", "client-authentication+jwt"]),
        algorithms: Algorithm::ALL,
        required: &["sub", "jti"],
        ..Expect::default()
    };
    let verified = Verifier { keys, expect }.verify(token, now)?;
    if verified.claims.needed("sub")? != policy.client_id {
        return Err(JwtError::Claim("sub"));
    }
    // Without `iat` the life is counted from now: what ends later than that could be kept and replayed.
    if verified.expires_at.ms_since(now) > ASSERTION_MS_MAX {
        return Err(JwtError::TooLong);
    }
    let jti = verified.claims.needed("jti")?;
    Ok(ClientAssertion {
        replay: replay_key("assertion", policy.client_id, jti),
        expires_at: verified.expires_at,
    })
}

/// One name for one use of a token: no part can run into the next.
pub(crate) fn replay_key(kind: &str, who: &str, jti: &str) -> Digest {
    let parts = [kind, who, jti].map(|part| Digest::of(part.as_bytes()));
    let [kind, who, jti] = &parts;
    Digest::of_parts(&[kind.as_bytes(), who.as_bytes(), jti.as_bytes()])
}
