//! Who a task is for, by the token that says so: a person of the provider, or a system of `[oauth.subjects]`. Such a token
//! alone opens nothing: somebody has to act, prove who it is, and be named.

use std::sync::Arc;

use remit_core::name::Name;
use remit_core::people::Kind;
use remit_core::task::Intent;
use serde_json::{Map, Value};

use super::super::error::{Code, OauthError};
use super::super::{client_auth, issuer, resource};
use super::{Asking, answer};
use crate::app::{App, Failure};
use crate::attest::word;
use crate::config::Subject;
use crate::tasks::open::{self, NewTask};

/// The registered initiator of a token.
///
/// # Errors
/// `invalid_grant` when nobody's word for it counts here.
pub(super) async fn of(app: &Arc<App>, presented: &str) -> Result<Name, OauthError> {
    // Read before it is verified, to know whose keys verify it; nothing else of it counts yet.
    let claims = client_auth::claims(presented)
        .map_err(|_| OauthError::grant("the token that says for whom this is cannot be read"))?;
    let text = |claim: &str| claims.get(claim).and_then(remit_core::json::Value::as_str);
    let (from, about) = (text("iss"), text("sub").unwrap_or_default());
    let mut refused = None;
    for (name, subject) in &app.config.oauth.subjects {
        if !may_speak(subject, from, about) {
            continue;
        }
        match system(app, name, subject, presented).await {
            Ok(initiator) => return Ok(initiator),
            Err(Failure::Unavailable(why)) => return Err(Failure::Unavailable(why).into()),
            // Another subject of the same issuer may have other claims.
            Err(failure) => refused = Some(failure.to_string()),
        }
    }
    let oidc = app.config.oidc.as_ref();
    match oidc.filter(|oidc| from == Some(&oidc.issuer) || refused.is_none()) {
        Some(oidc) => crate::humans::provider::bearer_of(app, oidc, presented)
            .await
            .map_err(|failure| OauthError::grant(failure.to_string())),
        None => Err(OauthError::grant(refused.unwrap_or_else(|| {
            "no provider is configured whose tokens would count here".to_owned()
        }))),
    }
}

fn may_speak(subject: &Subject, issuer: Option<&str>, about: &str) -> bool {
    match (&subject.issuer, &subject.trust_domain) {
        (Some(known), _) => issuer == Some(known),
        (None, Some(domain)) => about
            .strip_prefix("spiffe://")
            .and_then(|rest| rest.split('/').next())
            .is_some_and(|of| of == domain),
        (None, None) => false,
    }
}

async fn system(app: &Arc<App>, name: &str, subject: &Subject, token: &str) -> Result<Name, Failure> {
    let name: Name = name.parse().map_err(Failure::invalid)?;
    word::of_token(app, &name, &subject.source(), token).await?;
    let initiator: Name = subject.initiator.parse().map_err(Failure::invalid)?;
    let known = app.world().humans.get(&initiator).map(|human| human.kind);
    match known {
        Some(Kind::System | Kind::Stranger) => Ok(initiator),
        Some(Kind::Human) => Err(Failure::Forbidden(format!(
            "`{initiator}` is a person: the token of a system does not speak for people"
        ))),
        None => Err(Failure::Forbidden(format!(
            "`{initiator}` is not registered: `remit human add {initiator} --kind system`"
        ))),
    }
}

/// A task for a person or a system, opened by a client that proves who it is: with both identities, or not at all.
pub(super) async fn open(
    app: &Arc<App>,
    asking: &Asking,
    initiator: &Name,
) -> Result<Map<String, Value>, OauthError> {
    let authenticated = asking
        .authenticated
        .as_ref()
        .filter(|authenticated| authenticated.confidential);
    let authenticated = authenticated.ok_or_else(|| {
        OauthError::client(
            "a token about somebody alone does not act: the agent's own identity must come with it",
        )
    })?;
    let client = &authenticated.client;
    for wanted in asking
        .form
        .get("audience")
        .into_iter()
        .chain(asking.form.get("resource"))
    {
        if wanted != issuer(app) && !resource::is_ours(app, wanted) {
            return Err(OauthError::new(
                Code::InvalidTarget,
                "such a token opens a task here; tokens for others are asked for by its run",
            ));
        }
    }
    asking.spend(app).await?;
    let goal = asking
        .form
        .get("intent")
        .map_or_else(|| format!("work of the client {}", client.id), str::to_owned);
    let mut new = NewTask::new(
        client.agent.clone(),
        Intent {
            goal,
            purpose: format!("asked by the client {}", client.id),
        },
    );
    new.template.clone_from(&client.template);
    new.set.clone_from(&client.set);
    let receiver = asking
        .form
        .get("resource")
        .or_else(|| asking.form.get("audience"));
    new.limit = receiver.and_then(|wanted| resource::limit(app, wanted));
    let opened = open::open(app, new, initiator).await?;
    let token = super::bound_token(app, asking, &opened).await?;
    Ok(answer(app, &opened.task, &token, None, asking.dpop.is_some()))
}
