//! `authorization_code` (RFC 6749, 4.1.3): the token of the task that the person opened. A code is good once; a second use,
//! or one that does not fit, ends the task.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_identity::pkce;
use remit_store::handles::{self, Kind, State};
use serde_json::{Map, Value};

use super::super::code::{Bound, stolen};
use super::super::error::OauthError;
use super::hand_out::{Presented, hand_out};
use super::{Asking, answer};
use crate::app::{App, Failure};
use crate::engine::session;

pub(super) async fn redeem(app: &Arc<App>, asking: &Asking) -> Result<Map<String, Value>, OauthError> {
    let (form, client) = (&asking.form, asking.client()?);
    let code = form
        .get("code")
        .ok_or_else(|| OauthError::request("`code` is missing"))?;
    let verifier = form
        .get("code_verifier")
        .ok_or_else(|| OauthError::request("`code_verifier` is missing: PKCE is required"))?;
    let digest = Digest::of(code.as_bytes());
    let found = app
        .store
        .read(move |conn| Ok::<_, Failure>(handles::get(conn, Kind::Code, digest)?))
        .await?;
    let handle = found.ok_or_else(|| OauthError::grant("this code is not known here"))?;
    let bound = Bound::of(&handle)?;
    if handle.state != State::Live {
        return Err(stolen(app, bound.task, "an authorization code was used twice").await);
    }
    if app.clock.now() >= handle.expires_at {
        return Err(OauthError::grant("the code is too old: it is good for a minute"));
    }
    if bound.client != client.id {
        return Err(stolen(
            app,
            bound.task,
            "an authorization code was used by another client",
        )
        .await);
    }
    if form.get("redirect_uri") != Some(bound.redirect_uri.as_str()) {
        return Err(stolen(
            app,
            bound.task,
            "an authorization code was used with another redirect address",
        )
        .await);
    }
    if !pkce::matches(verifier, &bound.challenge) {
        return Err(stolen(
            app,
            bound.task,
            "an authorization code was used with the wrong code verifier",
        )
        .await);
    }
    if bound.key.is_some() && bound.key != asking.key().map(|key| key.to_string()) {
        return Err(stolen(
            app,
            bound.task,
            "an authorization code was used without the key it was asked for with",
        )
        .await);
    }
    if let Some(resource) = form.get("resource")
        && resource.trim_end_matches('/') != bound.resource
    {
        return Err(OauthError::new(
            super::Code::InvalidTarget,
            "`resource` is not the one the person was asked about",
        ));
    }
    let live = session::of_task(app, bound.task).await?;
    let task = Arc::clone(&live.snapshot().task);
    let refresh = Bound {
        redirect_uri: String::new(),
        challenge: String::new(),
        key: asking.refresh_key(),
        ..bound.clone()
    };
    let presented = Presented {
        kind: Kind::Code,
        digest,
        grant: super::CODE,
        twice: "an authorization code was used twice at once",
    };
    let handed = hand_out(app, asking, &task, presented, &refresh).await?;
    // Nobody has called with it yet: its token before this one was shown to nobody.
    app.live.remove(bound.task);
    let (access, _) = &handed.access;
    Ok(answer(
        app,
        &task,
        access,
        Some(&handed.refresh),
        asking.dpop.is_some(),
    ))
}
