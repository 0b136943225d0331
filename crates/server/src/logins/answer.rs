//! An answer comes back: checked, redeemed, kept, and what waited for it goes on.

use std::sync::Arc;

use remit_core::json::Object;
use remit_credentials::oauth::{Grant, Pending};
use remit_store::logins::{Login, LoginState};

use super::begin::Question;
use super::discover::About;
use super::request::{Endpoint, held, redeem};
use super::slot::Held;
use super::{Whose, address, configured, resume, sealed};
use crate::app::{App, Failure};
use crate::engine::record;

/// Takes the query of a redirect.
///
/// # Errors
/// [`Failure`] in words for the person; the question is over then, and begins anew with `remit mcp login`.
pub async fn answer(app: &Arc<App>, query: &str) -> Result<Whose, Failure> {
    let state = Pending::state_of(query).unwrap_or_default();
    let question = app.logins.take(&state, app.clock.now()).ok_or_else(|| {
        Failure::NotFound(
            "this answers no question that waits: begin again with `remit mcp login NAME`".to_owned(),
        )
    })?;
    let done = take(app, &question, query).await;
    if let Err(failure) = &done {
        let mut detail = Object::new();
        detail.insert("server", question.whose.server.as_str());
        detail.insert("issuer", question.pending.issuer.as_str());
        detail.insert("why", failure.to_string());
        let entry = record::by_human("login.failed", &question.whose.owner, detail);
        app.store.append(entry, |_| Ok(())).await?;
    }
    let told = done.as_ref().copied().map_err(ToString::to_string);
    question.outcome.send_replace(Some(told));
    app.logins.close(&question);
    done.map(|()| question.whose.clone())
}

async fn take(app: &Arc<App>, question: &Question, query: &str) -> Result<(), Failure> {
    let whose = &question.whose;
    let pending = &question.pending;
    let code = pending
        .accept(query)
        .map_err(|e| Failure::Conflict(e.to_string()))?;
    let world = app.world();
    let entry = world.registry.server(&whose.server);
    let (Some(entry), Some(url)) = (entry, entry.and_then(|entry| address(app, &entry.server))) else {
        return Err(Failure::Conflict(format!(
            "server `{}` is no longer registered",
            whose.server
        )));
    };
    let about = About {
        name: &whose.server,
        url,
        allow_private: entry.server.allow_private,
        is_system: entry.system.is_some(),
        task: None,
    };
    let endpoint = Endpoint {
        url: &pending.token_endpoint,
        client: &pending.client,
        resource: &pending.resource,
    };
    let grant = Grant::Code {
        code: &code.0,
        verifier: &pending.verifier,
        redirect_uri: &pending.redirect_uri,
    };
    let given = redeem(app, about, endpoint, grant, &configured(app, &whose.server)).await?;
    let given = given.map_err(|e| Failure::Conflict(e.to_string()))?;
    let held = held(app, endpoint, given, pending.scopes.as_ref());
    let slot = app.logins.slot(whose);
    let mut state = slot.state.lock().await;
    keep(app, whose, &held, "login.ready").await?;
    let usable = slot.show(Some(&held));
    state.loaded = true;
    state.held = Some(held);
    state.wanted = None;
    state.refreshed_at = None;
    drop(state);
    if !usable {
        return Err(Failure::Conflict(
            "the token it gave cannot stand in a header".to_owned(),
        ));
    }
    resume::after_login(app, whose);
    Ok(())
}

/// Keeps tokens; what was there before is gone.
///
/// # Errors
/// [`Failure`] when it cannot be recorded; nothing may be presented then.
pub(super) async fn keep(
    app: &Arc<App>,
    whose: &Whose,
    held: &Held,
    kind: &'static str,
) -> Result<(), Failure> {
    let login = Login {
        server: whose.server.clone(),
        owner: whose.owner.clone(),
        issuer: held.client.issuer.clone(),
        sealed: sealed::seal(app, whose, held).await?,
        state: LoginState::Ready,
    };
    let mut detail = Object::new();
    detail.insert("server", whose.server.as_str());
    detail.insert("issuer", held.client.issuer.as_str());
    detail.insert("expires_at", held.expires_at.to_string());
    if let Some(scopes) = &held.scopes {
        detail.insert("scopes", scopes.to_string());
    }
    let entry = record::by_human(kind, &whose.owner, detail);
    app.store
        .append(entry, move |tx| {
            let before = remit_store::logins::get(tx, &login.server, &login.owner)?;
            remit_store::logins::keep(tx, &login, before.as_ref())
        })
        .await?;
    Ok(())
}
