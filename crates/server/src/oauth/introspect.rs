//! `/oauth/introspect` (RFC 7662): what a token of ours is worth now. After the end it says no, and how the task ended
//! (mission state, draft-mcguinness-oauth-mission).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use remit_core::confinement::BoundKey;
use remit_core::task::TaskState;
use remit_store::runs::StoredRun;
use remit_store::tasks::StoredTask;
use serde_json::{Value, json};

use super::client_auth;
use super::error::OauthError;
use super::form::Form;
use super::resource::SCOPE;
use super::{issuer, no_store, refused};
use crate::app::{App, Failure};
use crate::tasks::token;

/// `POST /oauth/introspect`
pub(super) async fn tell(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let told = async {
        let form = Form::of_body(&parts.headers, body).await?;
        let asking =
            client_auth::authenticate(&app, &parts.headers, &form, &super::connection(&parts.extensions))
                .await?;
        client_auth::spend(&app, &asking).await?;
        if !asking.confidential {
            return Err(OauthError::client(
                "only a client that proves who it is may ask about tokens",
            ));
        }
        let token = form
            .get("token")
            .ok_or_else(|| OauthError::request("`token` is missing"))?;
        let Some((run, stored)) = find(&app, token).await? else {
            return Ok(json!({"active": false}));
        };
        // Whoever is no resource server learns about tokens of its own agent only.
        if !asking.client.introspects && run.run.agent != asking.client.agent {
            return Ok(json!({"active": false}));
        }
        Ok(about(&app, &run, &stored))
    };
    let told: Result<Value, OauthError> = told.await;
    match told {
        Ok(answer) => {
            let mut response = Json(answer).into_response();
            no_store(&mut response);
            response
        }
        Err(error) => {
            refused(&app, "introspect", None, &error).await;
            error.into_response()
        }
    }
}

/// The run of an access token, with its task; ended or not.
pub(super) async fn find(
    app: &Arc<App>,
    presented: &str,
) -> Result<Option<(StoredRun, StoredTask)>, Failure> {
    let Some(digest) = token::digest(presented) else {
        return Ok(None);
    };
    app.store
        .read(move |conn| {
            let Some(run) = remit_store::runs::by_token(conn, digest)? else {
                return Ok(None);
            };
            let task = remit_store::tasks::get(conn, run.run.task)?;
            Ok::<_, Failure>(task.map(|task| (run.value, task.value)))
        })
        .await
}

fn about(app: &App, run: &StoredRun, stored: &StoredTask) -> Value {
    let task = &stored.task;
    let issuer = issuer(app);
    let closed = app.clock.now() >= task.expires_at;
    let state = match task.state {
        TaskState::Open if closed => "expired",
        TaskState::Open => "active",
        TaskState::Suspended => "suspended",
        TaskState::Ended(ending) => ending.as_str(),
    };
    let mission = json!({"id": task.id.to_string(), "issuer": issuer, "state": state});
    if state != "active" {
        return json!({"active": false, "mission": mission});
    }
    let domain = &app.config.listen.trust_domain;
    let (kind, confirmation) = match &run.key {
        None => ("Bearer", None),
        Some(BoundKey::Jkt(jkt)) => ("DPoP", Some(json!({"jkt": &**jkt}))),
        Some(BoundKey::Certificate(hash)) => ("Bearer", Some(json!({"x5t#S256": &**hash}))),
    };
    let mut told = json!({
        "active": true,
        "iss": issuer,
        "aud": format!("{issuer}/mcp"),
        "sub": task.initiator.as_str(),
        "client_id": format!("agent:{}", task.agent),
        "token_type": kind,
        "scope": SCOPE,
        "iat": task.opened_at.0.div_euclid(1000),
        "exp": task.expires_at.0.div_euclid(1000),
        "act": {
            "iss": format!("spiffe://{domain}"),
            "sub": run.run.spiffe_id(domain),
            "sub_profile": "ai_agent",
        },
        "task": task.id.to_string(),
        "mission": mission,
        "authorization_details": crate::control::plain(&remit_identity::authorization_details(&task.authority)),
    });
    // Whoever relies on the token has to ask for the proof (RFC 9449, 6.2; RFC 8705, 3.2).
    if let (Some(confirmation), Some(members)) = (confirmation, told.as_object_mut()) {
        members.insert("cnf".to_owned(), confirmation);
    }
    told
}
