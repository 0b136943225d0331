//! `refresh_token` (RFC 6749, 6; RFC 9700, 4.14): more time is a decision over the facts as they are now. Each refresh token
//! is good once; a second use ends the task. The access token before dies with the new one.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::task::TaskState;
use remit_store::handles::{self, Kind, State};
use serde_json::{Map, Value};

use super::super::code::{Bound, stolen};
use super::super::error::OauthError;
use super::hand_out::{Presented, hand_out};
use super::{Asking, answer};
use crate::app::{App, Failure};
use crate::engine::session;

pub(super) async fn renew(app: &Arc<App>, asking: &Asking) -> Result<Map<String, Value>, OauthError> {
    let (form, client) = (&asking.form, asking.client()?);
    let presented = form
        .get("refresh_token")
        .ok_or_else(|| OauthError::request("`refresh_token` is missing"))?;
    let digest = Digest::of(presented.as_bytes());
    let found = app
        .store
        .read(move |conn| Ok::<_, Failure>(handles::get(conn, Kind::Refresh, digest)?))
        .await?;
    let handle = found.ok_or_else(|| OauthError::grant("this refresh token is not known here"))?;
    let bound = Bound::of(&handle)?;
    if bound.client != client.id {
        return Err(stolen(app, bound.task, "a refresh token was used by another client").await);
    }
    if bound.key != asking.refresh_key() {
        return Err(OauthError::grant(
            "this refresh token belongs to a key that this request does not prove",
        ));
    }
    match handle.state {
        State::Live => {}
        State::Spent => return Err(stolen(app, bound.task, "a refresh token was used twice").await),
        State::Revoked => return Err(OauthError::grant("this refresh token was taken back")),
    }
    let live = session::of_task(app, bound.task).await?;
    if let TaskState::Ended(ending) = live.snapshot().task.state {
        return Err(OauthError::grant(format!(
            "the task has ended ({}): it cannot be renewed, ask for a new one",
            ending.as_str()
        )));
    }
    // The decision: policy, people and freezes as they are now. What it refuses stays as it was.
    let initiator = live.snapshot().task.initiator.clone();
    crate::tasks::renew(app, bound.task, bound.ttl_ms, &initiator).await?;
    let task = Arc::clone(&live.snapshot().task);
    let spent = Presented {
        kind: Kind::Refresh,
        digest,
        grant: super::REFRESH,
        twice: "a refresh token was used twice at once",
    };
    let handed = hand_out(app, asking, &task, spent, &bound).await?;
    let (access, access_digest) = &handed.access;
    if asking.is_confidential() && live.standing().key != asking.key() {
        let run = task.run;
        let stored = app
            .store
            .read(move |conn| Ok::<_, Failure>(remit_store::runs::get(conn, run)?))
            .await?;
        let stored = stored.ok_or_else(|| Failure::NotFound(format!("no run `{run}`")))?;
        live.attested(&stored);
    }
    app.live.hand_over(bound.task, *access_digest);
    Ok(answer(
        app,
        &task,
        access,
        Some(&handed.refresh),
        asking.dpop.is_some(),
    ))
}
