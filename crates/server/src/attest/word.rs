//! The word of others: tokens and SVIDs of the issuers and trust domains that the configuration names, checked with their
//! keys. Who that is here is said by whoever asks, never by what was shown.

use std::sync::Arc;

use remit_core::json::Value;
use remit_core::name::Name;
use remit_identity::{Bundle, Expect, JwtError, KeySet, SpiffeId, Verifier, verify_jwt_svid, x509};
use rustls_pki_types::CertificateDer;

use super::keys::document;
use crate::app::{App, Failure};
use crate::config::Source;

/// Whose token this is: `ISSUER SUBJECT` or a SPIFFE ID. `name` is what the source is called in the configuration.
///
/// # Errors
/// [`Failure::Forbidden`] when it does not count; [`Failure::Unavailable`] when the keys cannot be had.
pub(crate) async fn of_token(
    app: &Arc<App>,
    name: &Name,
    source: &Source,
    token: &str,
) -> Result<String, Failure> {
    let first = document(app, name, source, false).await?;
    match read(app, source, &first, token) {
        // Keys rotate: an unknown one is looked for once.
        Err(Refusal::Token(JwtError::Key(_))) => {
            let again = document(app, name, source, true).await?;
            read(app, source, &again, token).map_err(Refusal::into_failure)
        }
        other => other.map_err(Refusal::into_failure),
    }
}

/// Whose X.509-SVID this is; the handshake proved that its key is held.
///
/// # Errors
/// As [`of_token`].
pub(crate) async fn of_certificate(
    app: &Arc<App>,
    name: &Name,
    source: &Source,
    chain: &[Vec<u8>],
) -> Result<String, Failure> {
    if source.trust_domain.is_none() {
        return Err(refused("this issuer is known by tokens, not by certificates"));
    }
    let root = root(source)?;
    let document = document(app, name, source, false).await?;
    let bundle = Bundle::parse(&document).map_err(Failure::unavailable)?;
    let chain: Vec<CertificateDer<'_>> = chain
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let svid =
        x509::verify_svid(&chain, &bundle.x509, root.trust_domain(), app.clock.now()).map_err(refused)?;
    under(&root, &svid.id)
}

fn refused(error: impl std::fmt::Display) -> Failure {
    Failure::Forbidden(format!("this evidence does not count: {error}"))
}

enum Refusal {
    Token(JwtError),
    Other(Failure),
}

impl Refusal {
    fn into_failure(self) -> Failure {
        match self {
            Self::Token(error) => refused(error),
            Self::Other(failure) => failure,
        }
    }
}

fn read(app: &App, source: &Source, document: &[u8], token: &str) -> Result<String, Refusal> {
    let now = app.clock.now();
    let audiences = [source.audience.as_str()];
    let other = |failure| Refusal::Other(failure);
    let unusable = |error: remit_identity::BadJwks| Refusal::Other(Failure::unavailable(error));
    let Some(issuer) = &source.issuer else {
        let root = root(source).map_err(other)?;
        let bundle = Bundle::parse(document).map_err(unusable)?;
        let svid = verify_jwt_svid(token, &bundle.jwt, root.trust_domain(), &audiences, now)
            .map_err(Refusal::Token)?;
        return under(&root, &svid.id).map_err(other);
    };
    let keys = KeySet::parse(document).map_err(unusable)?;
    let expect = Expect {
        issuer: Some(issuer),
        audiences: &audiences,
        required: &["sub"],
        ..Expect::default()
    };
    let verified = Verifier { keys: &keys, expect }
        .verify(token, now)
        .map_err(Refusal::Token)?;
    for (claim, wanted) in &source.claims {
        let found = verified.claims.get(claim).and_then(Value::as_str);
        if found != Some(wanted) {
            return Err(other(refused(format!("its `{claim}` is not the one expected"))));
        }
    }
    let subject = verified.claims.needed("sub").map_err(Refusal::Token)?;
    Ok(format!("{issuer} {subject}"))
}

fn root(source: &Source) -> Result<SpiffeId, Failure> {
    source
        .spiffe_id
        .as_deref()
        .unwrap_or_default()
        .parse()
        .map_err(Failure::unavailable)
}

fn under(root: &SpiffeId, id: &SpiffeId) -> Result<String, Failure> {
    if id.is_under(root) {
        Ok(id.to_string())
    } else {
        Err(refused(format!("`{id}` is not `{root}` nor below it")))
    }
}
