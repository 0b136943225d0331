//! `/oauth/revoke` (RFC 7009): a client gives a token back, and with it the task. A token that is not known is gone already.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use remit_core::digest::Digest;
use remit_core::id::TaskId;
use remit_core::task::Ending;
use remit_store::handles::{self, Kind};

use super::client_auth;
use super::code::Bound;
use super::error::OauthError;
use super::form::Form;
use super::{introspect, no_store, refused};
use crate::app::{App, Failure};

/// `POST /oauth/revoke`
pub(super) async fn revoke(State(app): State<Arc<App>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let revoked = async {
        let form = Form::of_body(&parts.headers, body).await?;
        let asking =
            client_auth::authenticate(&app, &parts.headers, &form, &super::connection(&parts.extensions))
                .await?;
        client_auth::spend(&app, &asking).await?;
        let token = form
            .get("token")
            .ok_or_else(|| OauthError::request("`token` is missing"))?;
        let task = match owner(&app, token).await? {
            None => return Ok(()),
            Some((task, Owner::Client(client))) if client == asking.client.id => task,
            Some((task, Owner::Agent(agent))) if agent == asking.client.agent.as_str() => task,
            Some(_) => return Err(OauthError::grant("this token was issued to another client")),
        };
        let me = app.me.clone();
        crate::tasks::end::end(
            &app,
            task,
            Ending::Cancelled,
            &me,
            "the client gave its token back",
        )
        .await?;
        Ok(())
    };
    let revoked: Result<(), OauthError> = revoked.await;
    match revoked {
        Ok(()) => {
            let mut response = StatusCode::OK.into_response();
            no_store(&mut response);
            response
        }
        Err(error) => {
            refused(&app, "revoke", None, &error).await;
            error.into_response()
        }
    }
}

enum Owner {
    Client(String),
    Agent(String),
}

async fn owner(app: &Arc<App>, token: &str) -> Result<Option<(TaskId, Owner)>, Failure> {
    if let Some((run, _)) = introspect::find(app, token).await? {
        return Ok(Some((run.run.task, Owner::Agent(run.run.agent.to_string()))));
    }
    let digest = Digest::of(token.as_bytes());
    let found = app
        .store
        .read(move |conn| Ok::<_, Failure>(handles::get(conn, Kind::Refresh, digest)?))
        .await?;
    let Some(handle) = found else {
        return Ok(None);
    };
    let bound = Bound::of(&handle)?;
    Ok(Some((bound.task, Owner::Client(bound.client))))
}
