//! `/v1/servers/{name}/login…`: people sign in to upstream servers. Over control alone: the address is theirs.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use remit_core::name::Name;
use remit_core::people::Standing;
use remit_store::logins::LoginState;
use serde::Deserialize;
use serde_json::json;

use super::Control;
use super::body::{Acting, Body, by, parse};
use super::error::Answer;
use crate::app::Failure;
use crate::logins::{Whose, answer, begin, client_itself, tokens};

/// How long one request waits for the person.
const WAIT: Duration = Duration::from_secs(25);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Returned {
    url: String,
}

pub(super) async fn begin(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let (name, person): (Name, Name) = (parse(&name)?, by(&app, body.by.as_ref())?);
    let question = begin::begin(&app, &name, &person).await?;
    Ok(Json(json!({
        "server": name.as_str(),
        "human": person.as_str(),
        "url": question.pending.url,
        "issuer": question.pending.issuer,
        "expires_at": question.expires_at.to_string(),
    })))
}

/// Waits until the person came back, for a while.
pub(super) async fn wait(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let whose = Whose {
        server: parse(&name)?,
        owner: by(&app, body.by.as_ref())?,
    };
    let Some(question) = app.logins.waiting(&whose, app.clock.now()) else {
        let slot = app.logins.slot(&whose);
        let signed_in = slot.state.lock().await.held.is_some();
        let state = if signed_in { "ready" } else { "over" };
        return Ok(Json(
            json!({"server": name, "human": whose.owner.as_str(), "state": state}),
        ));
    };
    let mut outcome = question.outcome.subscribe();
    let answered = tokio::time::timeout(WAIT, outcome.wait_for(Option::is_some)).await;
    let told = match &answered {
        Ok(Ok(told)) => (**told).clone(),
        _ => None,
    };
    match told {
        None => Ok(Json(
            json!({"server": name, "human": whose.owner.as_str(), "state": "waiting"}),
        )),
        Some(Ok(())) => Ok(Json(
            json!({"server": name, "human": whose.owner.as_str(), "state": "ready"}),
        )),
        Some(Err(why)) => Err(Failure::Conflict(why).into()),
    }
}

/// Takes the address a browser on another machine was sent to.
pub(super) async fn returned(
    State(Control { app, .. }): State<Control>,
    Body(body): Body<Returned>,
) -> Answer {
    let query = body
        .url
        .split_once('?')
        .map_or(body.url.as_str(), |(_, query)| query);
    let query = query.split('#').next().unwrap_or_default();
    let whose = answer::answer(&app, query).await?;
    Ok(Json(
        json!({"server": whose.server.as_str(), "human": whose.owner.as_str(), "state": "ready"}),
    ))
}

pub(super) async fn forget(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let whose = Whose {
        server: parse(&name)?,
        owner: by(&app, body.by.as_ref())?,
    };
    let left = tokens::forget(&app, &whose).await?;
    let mut said = json!({
        "server": name, "human": whose.owner.as_str(), "state": "over", "revoked": left.is_none(),
    });
    if let (Some((until, why)), Some(members)) = (left, said.as_object_mut()) {
        members.insert("possibly_live_until".to_owned(), json!(until.to_string()));
        members.insert("why".to_owned(), json!(why));
    }
    Ok(Json(said))
}

/// Every login with what it allows and whose it is.
pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    let logins = app
        .store
        .read(|conn| Ok::<_, Failure>(remit_store::logins::list(conn)?))
        .await?;
    let mut said = Vec::new();
    for login in logins {
        let login = login.value;
        let whose = Whose {
            server: login.server,
            owner: login.owner,
        };
        let held = match login.state {
            LoginState::Ready => tokens::look(&app, &whose).await?,
            LoginState::Over => None,
        };
        let world = app.world();
        let owner = world.humans.get(&whose.owner).map(|known| known.standing);
        said.push(json!({
            "server": whose.server.as_str(),
            "human": whose.owner.as_str(),
            "owner": match owner {
                _ if Some(&whose.owner) == client_itself().as_ref() => "client",
                Some(Standing::Active) => "active",
                Some(_) => "suspended",
                None => "unknown",
            },
            "issuer": login.issuer,
            "state": if held.is_some() { "ready" } else { "over" },
            "scopes": held.as_ref().and_then(|(scopes, ..)| scopes.as_ref()).map(ToString::to_string),
            "expires_at": held.as_ref().map(|(_, until, _)| until.to_string()),
            "refreshed": held.as_ref().map(|(.., refreshed)| *refreshed),
        }));
    }
    Ok(Json(json!(said)))
}
