//! Checking tokens of others and our own (RFC 7519, RFC 8725): what is expected is said by us, never by the token.

use remit_core::limits::CLOCK_SKEW_MS_MAX;
use remit_core::time::Timestamp;

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::jwk::PublicKey;
use crate::jwks::KeySet;
use crate::jws::{Header, Jws};

/// Why a token is not taken. Every one of these is the sender's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwtError {
    /// Longer than we read.
    #[error("the token is longer than is read here")]
    TooLarge,
    /// Not what a token looks like.
    #[error("the token cannot be read: {0}")]
    Shape(&'static str),
    /// Not JSON, or not the JSON we read.
    #[error("the {0} of the token cannot be read: {1}")]
    Json(&'static str, String),
    /// A header member that is missing, malformed or never taken.
    #[error("the token's header `{0}` is missing, malformed or not taken here")]
    Header(&'static str),
    /// An algorithm that is not expected.
    #[error("tokens signed with `{0}` are not taken here")]
    Algorithm(String),
    /// Another kind of token.
    #[error("a token of type `{0}` is not what is expected here")]
    Type(String),
    /// No key, or more than one.
    #[error("no single key of the issuer fits this token (`kid` `{0}`)")]
    Key(String),
    /// The signature does not match.
    #[error("the token's signature does not match")]
    Signature,
    /// A claim that must be there.
    #[error("the token has no `{0}`")]
    Missing(String),
    /// A claim that is not what it should be.
    #[error("the token's `{0}` is not what it should be")]
    Claim(&'static str),
    /// Somebody else's token.
    #[error("the token was issued by `{0}`, who is not expected here")]
    Issuer(String),
    /// Meant for somebody else.
    #[error("the token is not meant for us: its `aud` names others")]
    Audience,
    /// Over.
    #[error("the token expired at {0}")]
    Expired(Timestamp),
    /// Not yet.
    #[error("the token does not count before {0}")]
    NotYet(Timestamp),
    /// From the future, or too old.
    #[error("the token was issued at {0}, which is not now: check the clocks")]
    Issued(Timestamp),
    /// Lives too long.
    #[error("the token lives longer than is taken here")]
    TooLong,
}

impl JwtError {
    pub(crate) const NOT_COMPACT: Self = Self::Shape("it is not three parts of base64url");

    pub(crate) fn algorithm(name: &str) -> Self {
        Self::Algorithm(short(name))
    }
}

/// What a sender wrote, fit to be shown.
pub(crate) fn short(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}

/// Which `typ` is taken.
#[derive(Clone, Copy, Debug)]
pub enum Types<'a> {
    /// Exactly this one (lower-case): explicit typing (RFC 8725, 3.11).
    Only(&'a str),
    /// None, or one of these: for tokens of issuers that do not type them.
    AbsentOr(&'a [&'a str]),
}

/// What is expected of a token.
#[derive(Clone, Copy, Debug)]
pub struct Expect<'a> {
    /// Its issuer, exactly; `None` where the key set alone says who signed (JWT-SVIDs).
    pub issuer: Option<&'a str>,
    /// One of these must be among its `aud`.
    pub audiences: &'a [&'a str],
    /// `aud` must name one receiver alone.
    pub one_audience: bool,
    /// Its `typ`.
    pub types: Types<'a>,
    /// Its algorithms.
    pub algorithms: &'a [Algorithm],
    /// Claims that must be there besides `exp` and `aud`.
    pub required: &'a [&'a str],
    /// Longest life from `iat` (which is then required) to `exp`, in milliseconds.
    pub life_ms_max: Option<i64>,
    /// How far clocks may differ, in milliseconds; more than [`CLOCK_SKEW_MS_MAX`] counts as that.
    pub skew_ms: i64,
    /// The header may hold nothing but `alg`, `kid`, `typ` (JWT-SVID, 2).
    pub plain_header: bool,
}

impl Default for Expect<'_> {
    fn default() -> Self {
        Self {
            issuer: None,
            audiences: &[],
            one_audience: false,
            types: Types::AbsentOr(&["jwt"]),
            algorithms: Algorithm::ALL,
            required: &[],
            life_ms_max: None,
            skew_ms: CLOCK_SKEW_MS_MAX,
            plain_header: false,
        }
    }
}

/// A token whose signature and claims hold.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Its header.
    pub header: Header,
    /// Its claims.
    pub claims: Claims,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// Checks tokens of one issuer.
#[derive(Clone, Copy, Debug)]
pub struct Verifier<'a> {
    /// The issuer's keys.
    pub keys: &'a KeySet,
    /// What is expected.
    pub expect: Expect<'a>,
}

impl Verifier<'_> {
    /// Checks a token as of `now`.
    ///
    /// # Errors
    /// [`JwtError`]; nothing of the token counts then.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, JwtError> {
        let jws = Jws::read(token)?;
        self.expect.header(&jws.header)?;
        if jws.header.jwk.is_some() {
            return Err(JwtError::Header("jwk"));
        }
        let kid = jws.header.kid.as_deref();
        let key = self
            .keys
            .find(kid, jws.header.algorithm)
            .ok_or_else(|| JwtError::Key(short(kid.unwrap_or_default())))?;
        self.expect.check(jws, key, now)
    }
}

impl Expect<'_> {
    pub(crate) fn header(&self, header: &Header) -> Result<(), JwtError> {
        if !self.algorithms.contains(&header.algorithm) {
            return Err(JwtError::algorithm(header.algorithm.as_str()));
        }
        let typ = header.typ.as_deref();
        let expected = match self.types {
            Types::Only(only) => typ == Some(only),
            Types::AbsentOr(list) => typ.is_none_or(|typ| list.contains(&typ)),
        };
        if !expected {
            return Err(JwtError::Type(short(typ.unwrap_or("none"))));
        }
        if self.plain_header && !header.plain {
            return Err(JwtError::Shape(
                "its header holds more than `alg`, `kid` and `typ`",
            ));
        }
        Ok(())
    }

    pub(crate) fn check(&self, jws: Jws<'_>, key: &PublicKey, now: Timestamp) -> Result<Verified, JwtError> {
        let claims = Claims(jws.verified_by(key)?);
        if let Some(issuer) = self.issuer
            && claims.needed("iss")? != issuer
        {
            return Err(JwtError::Issuer(short(claims.needed("iss")?)));
        }
        let audiences = claims.audiences()?;
        if !audiences.iter().any(|audience| self.audiences.contains(audience))
            || (self.one_audience && audiences.len() != 1)
        {
            return Err(JwtError::Audience);
        }
        let expires_at = self.times(&claims, now)?;
        for name in self.required {
            if claims.get(name).is_none_or(remit_core::json::Value::is_null) {
                return Err(JwtError::Missing((*name).to_owned()));
            }
        }
        Ok(Verified {
            header: jws.header,
            claims,
            expires_at,
        })
    }

    fn times(&self, claims: &Claims, now: Timestamp) -> Result<Timestamp, JwtError> {
        let skew = self.skew_ms.clamp(0, CLOCK_SKEW_MS_MAX);
        let expires_at = claims
            .time("exp")?
            .ok_or_else(|| JwtError::Missing("exp".to_owned()))?;
        if now >= expires_at.plus_ms(skew) {
            return Err(JwtError::Expired(expires_at));
        }
        if let Some(not_before) = claims.time("nbf")?
            && now.plus_ms(skew) < not_before
        {
            return Err(JwtError::NotYet(not_before));
        }
        let issued_at = claims.time("iat")?;
        if let Some(issued_at) = issued_at
            && (now.plus_ms(skew) < issued_at || issued_at > expires_at)
        {
            return Err(JwtError::Issued(issued_at));
        }
        if let Some(life) = self.life_ms_max {
            let issued_at = issued_at.ok_or_else(|| JwtError::Missing("iat".to_owned()))?;
            if expires_at.ms_since(issued_at) > life {
                return Err(JwtError::TooLong);
            }
        }
        Ok(expires_at)
    }
}
