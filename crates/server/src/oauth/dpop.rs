//! DPoP at our endpoints (RFC 9449, 5 and 8): a proof for this request with a nonce of ours. It is used up by the append that
//! relies on it.

use std::sync::Arc;

use axum::http::HeaderMap;
use remit_identity::dpop::{self, DpopError, Expected, Proof};

use super::error::{Code, OauthError};
use super::issuer;
use crate::app::App;

/// The proof of a request, where it carries one.
///
/// # Errors
/// `invalid_dpop_proof`, or `use_dpop_nonce` with a fresh nonce.
pub(super) fn proof(app: &Arc<App>, headers: &HeaderMap, path: &str) -> Result<Option<Proof>, OauthError> {
    let mut values = headers.get_all("dpop").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let invalid = |why: &str| OauthError::new(Code::InvalidDpopProof, why);
    if values.next().is_some() {
        return Err(invalid("`DPoP` stands more than once"));
    }
    let text = value.to_str().map_err(|_| invalid("the DPoP proof is no text"))?;
    let now = app.clock.now();
    let (ours, here) = (
        format!("{}{path}", issuer(app)),
        format!("{}{path}", *app.base_url.borrow()),
    );
    let over_tls = app.tls_url.borrow().as_ref().map(|url| format!("{url}{path}"));
    let expected = Expected {
        method: "POST",
        urls: &[&ours, &here, over_tls.as_ref().unwrap_or(&ours)],
        access_token: None,
    };
    match dpop::verify(text, &expected, Some(&app.nonces), now) {
        Ok(proof) => Ok(Some(proof)),
        Err(error) => Err(OauthError {
            code: match &error {
                DpopError::Nonce => Code::UseDpopNonce,
                DpopError::Invalid(_) => Code::InvalidDpopProof,
            },
            message: error.to_string(),
            nonce: Some(app.nonces.at(now)),
        }),
    }
}
