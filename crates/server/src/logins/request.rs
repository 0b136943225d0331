//! One request to a token endpoint, and what it gave.

use std::sync::Arc;
use std::time::Duration;

use remit_credentials::oauth::{Client, Grant, TokenError, Tokens, token_request, tokens};
use remit_upstream::{FetchBody, FetchRequest, Secret};

use super::client;
use super::discover::About;
use super::slot::Held;
use crate::app::{App, Failure};
use crate::config::UpstreamOauth;
use crate::fetch::{Asker, fetch};

/// Most bytes of an answer.
pub(super) const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Longest wait for one.
pub(super) const WAIT: Duration = Duration::from_secs(15);

/// Where a grant is redeemed, by whom and for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Endpoint<'a> {
    pub(super) url: &'a str,
    pub(super) client: &'a Client,
    pub(super) resource: &'a str,
}

/// Redeems `grant`. The inner error is the authorization server's own.
pub(super) async fn redeem(
    app: &Arc<App>,
    about: About<'_>,
    endpoint: Endpoint<'_>,
    grant: Grant<'_>,
    oauth: &UpstreamOauth,
) -> Result<Result<Tokens, TokenError>, Failure> {
    let purpose = match grant {
        Grant::Code { .. } => "token for a code",
        Grant::Refresh(_) => "token refresh",
        Grant::ClientCredentials(_) => "token for the client itself",
    };
    let assertion = client::assertion(app, endpoint.client, oauth)?;
    let sent = token_request(endpoint.client, grant, endpoint.resource, assertion.as_ref());
    let request = FetchRequest {
        url: endpoint.url.to_owned(),
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
        purpose,
    };
    let answer = fetch(app, asker, &request).await?;
    Ok(tokens(answer.status, &answer.body))
}

/// What is kept of an answer.
pub(super) fn held(
    app: &App,
    endpoint: Endpoint<'_>,
    given: Tokens,
    asked: Option<&remit_credentials::oauth::Scopes>,
) -> Held {
    let life_ms = i64::try_from(given.expires_in_s.saturating_mul(1000)).unwrap_or(i64::MAX);
    Held {
        client: endpoint.client.clone(),
        token_endpoint: endpoint.url.to_owned(),
        resource: endpoint.resource.to_owned(),
        // RFC 6749, section 5.1: left out when it is what was asked for.
        scopes: given.scopes.or_else(|| asked.cloned()),
        access: given.access,
        expires_at: app.clock.now().plus_ms(life_ms),
        refresh: given.refresh,
    }
}
