//! The end of a login where it began: the authorization server is asked to revoke what it gave (RFC 7009).

use std::sync::Arc;

use remit_credentials::oauth::revocation_request;
use remit_upstream::{FetchBody, FetchRequest, Secret};

use super::discover::{About, discover};
use super::request::{ANSWER_BYTES_MAX, WAIT};
use super::slot::Held;
use super::{client, configured};
use crate::app::App;
use crate::fetch::{Asker, fetch};

/// Revokes both tokens.
///
/// # Errors
/// The sentence why they may live on.
pub(super) async fn revoke(app: &Arc<App>, about: About<'_>, held: &Held) -> Result<(), String> {
    let oauth = configured(app, about.name);
    let found = discover(app, about, None, &oauth).await;
    let server = found.map_err(|failure| failure.to_string())?.server;
    if server.issuer != held.client.issuer {
        return Err(format!(
            "it was given by `{}`, and the server names `{}` now",
            held.client.issuer, server.issuer
        ));
    }
    let Some(url) = server.revocation_endpoint else {
        return Err(format!("`{}` publishes no revocation endpoint", server.issuer));
    };
    // The refresh token first: with it most servers end everything that came of it.
    let refresh = held.refresh.as_ref().map(|token| (token, "refresh_token"));
    for (token, hint) in refresh.into_iter().chain([(&held.access, "access_token")]) {
        let assertion =
            client::assertion(app, &held.client, &oauth).map_err(|failure| failure.to_string())?;
        let sent = revocation_request(&held.client, token, hint, assertion.as_ref());
        let request = FetchRequest {
            url: url.clone(),
            body: FetchBody::Form(Secret::new(sent.form.as_bytes())),
            authorization: sent.authorization.map(|text| Secret::new(text.as_bytes())),
            header: None,
            allow_private: about.allow_private,
            bytes_max: ANSWER_BYTES_MAX,
            timeout: WAIT,
        };
        let asker = Asker {
            about: about.name,
            task: about.task,
            purpose: "token revocation",
        };
        let answer = fetch(app, asker, &request)
            .await
            .map_err(|failure| failure.to_string())?;
        // A token that is not known there any more is answered like one that was revoked (section 2.2).
        if answer.status != 200 {
            return Err(format!("`{}` answered {} to it", server.issuer, answer.status));
        }
    }
    Ok(())
}
