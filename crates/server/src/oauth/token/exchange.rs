//! Token exchange (RFC 8693): a run gets a token for another audience, by a decision; or a client that proves who it is opens a
//! task for the person or the system whose token it holds.

use std::sync::Arc;

use remit_core::confinement::{BoundKey, Proof};
use remit_core::name::Name;
use remit_gateway::ports::{Presented, Scheme};
use serde_json::{Map, Value, json};

use super::super::error::{Code, OauthError};
use super::super::{issuer, resource};
use super::{Asking, subject};
use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::engine::session;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

pub(super) async fn exchange(app: &Arc<App>, asking: &Asking) -> Result<Map<String, Value>, OauthError> {
    let form = &asking.form;
    let presented = form
        .get("subject_token")
        .ok_or_else(|| OauthError::request("`subject_token` is missing"))?;
    let kind = form
        .get("subject_token_type")
        .ok_or_else(|| OauthError::request("`subject_token_type` is missing"))?;
    if form
        .get("requested_token_type")
        .is_some_and(|wanted| !matches!(wanted, ACCESS_TOKEN | JWT))
    {
        return Err(OauthError::request("only access tokens are issued here"));
    }
    let actor = match (form.get("actor_token"), form.get("actor_token_type")) {
        (None, None) => None,
        (Some(actor), Some(ACCESS_TOKEN)) => Some(actor),
        _ => {
            return Err(OauthError::request(
                "`actor_token` is the token of a run, with `actor_token_type` access_token",
            ));
        }
    };
    match (kind, actor) {
        // The run's own token names both: for whom, and who acts.
        (ACCESS_TOKEN, None) => issue(app, asking, presented, None).await,
        (ID_TOKEN | JWT, Some(run)) => {
            let human = subject::of(app, presented).await?;
            issue(app, asking, run, Some(&human)).await
        }
        (ID_TOKEN | JWT, None) => {
            let initiator = subject::of(app, presented).await?;
            let mut answer = subject::open(app, asking, &initiator).await?;
            answer.insert("issued_token_type".to_owned(), json!(ACCESS_TOKEN));
            Ok(answer)
        }
        _ => Err(OauthError::request(
            "`subject_token_type` is access_token (of a run), id_token or jwt (of a person or a system)",
        )),
    }
}

/// The live run of a token, with how this request proves that it comes from it.
async fn acting(app: &Arc<App>, asking: &Asking, presented: &str) -> Result<(Arc<Live>, Proof), OauthError> {
    let shown = Presented {
        token: Some(presented.to_owned()),
        scheme: Scheme::Bearer,
        dpop: None,
        method: "POST".to_owned(),
        url: format!("{}/oauth/token", issuer(app)),
        connection: Arc::clone(&asking.connection),
    };
    let live = session::authenticate(app, Some(presented))
        .await
        .map_err(|failure| OauthError::grant(failure.to_string()))?;
    let key = live.standing().key.clone();
    let proof = match key {
        Some(BoundKey::Jkt(jkt)) if asking.jkt() == Some(&*jkt) => Proof::Key,
        Some(BoundKey::Certificate(hash)) if asking.certificate_hash().as_deref() == Some(&*hash) => {
            Proof::Key
        }
        Some(_) => {
            return Err(OauthError::grant(
                "the token of this run is bound to a key that this request does not prove",
            ));
        }
        None => crate::proofs::prove(app, &live, &shown)
            .await
            .map_err(|failure| OauthError::grant(failure.to_string()))?,
    };
    Ok((live, proof))
}

/// A token of the run for another audience.
async fn issue(
    app: &Arc<App>,
    asking: &Asking,
    run: &str,
    human: Option<&Name>,
) -> Result<Map<String, Value>, OauthError> {
    let form = &asking.form;
    let (live, proof) = acting(app, asking, run).await?;
    let task = Arc::clone(&live.snapshot().task);
    if let Some(human) = human
        && *human != task.initiator
    {
        return Err(OauthError::grant(format!(
            "this task was not opened by {human}: there is no delegation from them"
        )));
    }
    if let Some(authenticated) = &asking.authenticated
        && authenticated.client.agent != task.agent
    {
        return Err(OauthError::grant(
            "this token belongs to the run of another agent",
        ));
    }
    asking.spend(app).await?;
    let audience = match (form.get("audience"), form.get("resource")) {
        (Some(one), None) | (None, Some(one)) => one,
        _ => {
            return Err(OauthError::new(
                Code::InvalidTarget,
                "name one receiver, by `audience` or by `resource`",
            ));
        }
    };
    if audience == issuer(app) || resource::is_ours(app, audience) {
        return Err(OauthError::new(
            Code::InvalidTarget,
            "for Remit itself the run's own token counts, and no other",
        ));
    }
    let issued = crate::issuer::token::issue(app, &live, audience, form.get("scope"), proof)
        .await
        .map_err(|failure| match failure {
            Failure::Forbidden(why) => OauthError::new(Code::InvalidTarget, why),
            other => other.into(),
        })?;
    let bound = matches!(live.standing().key, Some(BoundKey::Jkt(_)));
    let left = issued.expires_at.ms_since(app.clock.now()).max(0) / 1000;
    let mut answer = Map::new();
    for (key, value) in [
        ("access_token", json!(issued.token)),
        ("issued_token_type", json!(ACCESS_TOKEN)),
        ("token_type", json!(if bound { "DPoP" } else { "Bearer" })),
        ("expires_in", json!(left)),
    ] {
        answer.insert(key.to_owned(), value);
    }
    Ok(answer)
}
