//! `/v1/approvals`

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use remit_core::approval::ApprovalState;
use remit_core::id::ApprovalId;
use remit_store::approvals::StoredApproval;
use serde::Deserialize;
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;

use super::Control;
use super::body::{Body, by, id};
use super::error::{Answer, Refusal};
use super::{stream, view};
use crate::app::{App, Failure};
use crate::approvals::vote::{self, Reach};

/// Most approvals one list answers with, per state.
const LIST_MAX: u32 = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    all: Option<u8>,
}

pub(super) async fn list(State(Control { app, .. }): State<Control>, Query(which): Query<Which>) -> Answer {
    let all = if which.all == Some(1) {
        let mut all = Vec::new();
        for state in ApprovalState::ALL {
            all.extend(in_state(&app, state).await?);
        }
        all.sort_by_key(|stored| stored.approval.opened_at);
        all
    } else {
        in_state(&app, ApprovalState::Pending).await?
    };
    Ok(Json(
        all.iter()
            .map(view::approval)
            .collect::<Result<Vec<_>, _>>()?
            .into(),
    ))
}

async fn in_state(app: &Arc<App>, state: ApprovalState) -> Result<Vec<StoredApproval>, Failure> {
    let found = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::approvals::in_state(conn, state, LIST_MAX)?))
        .await?;
    Ok(found.into_iter().map(|stored| stored.value).collect())
}

/// All that wait, then each as it appears or changes.
pub(super) async fn stream(State(control): State<Control>) -> Result<Response, Refusal> {
    // Watch first, read second: nothing falls between.
    let mut changes = control.app.rooms.watch();
    let app = Arc::clone(&control.app);
    let waiting = in_state(&app, ApprovalState::Pending).await?;
    Ok(stream::lines(control.stopping, async move |lines| {
        let mut known = BTreeSet::new();
        for stored in &waiting {
            known.insert(stored.approval.id);
            lines.send(&view::approval(stored)?).await?;
        }
        loop {
            match changes.recv().await {
                Ok(id) => {
                    let stored = vote::get(&app, id).await?;
                    let pending = stored.approval.state == ApprovalState::Pending;
                    // After a verdict it changes once more, when it is spent: that is no news for people.
                    let news = if pending {
                        known.insert(id) || !stored.approval.votes.is_empty()
                    } else {
                        known.remove(&id)
                    };
                    if news {
                        lines.send(&view::approval(&stored)?).await?;
                    }
                }
                Err(RecvError::Lagged(_)) => {
                    for stored in in_state(&app, ApprovalState::Pending).await? {
                        if known.insert(stored.approval.id) {
                            lines.send(&view::approval(&stored)?).await?;
                        }
                    }
                }
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Approve {
    times: Option<u64>,
    for_ms: Option<i64>,
    #[serde(default)]
    for_task: bool,
    #[serde(default)]
    note: String,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn approve(
    State(Control { app, .. }): State<Control>,
    Path(approval): Path<String>,
    Body(body): Body<Approve>,
) -> Answer {
    let reach = match (body.times, body.for_ms, body.for_task) {
        (None | Some(1), None, false) => Reach::Once,
        (Some(times), None, false) => Reach::Times(times),
        (None, Some(ms), false) => Reach::For(ms),
        (None, None, true) => Reach::Task,
        _ => return Err(Failure::invalid("give one of `times`, `for_ms` and `for_task`").into()),
    };
    let approval = approval_id(&approval)?;
    let stored = vote::approve(&app, approval, reach, body.note, &by(&app, body.by.as_ref())?).await?;
    let mut shown = view::approval(&stored)?;
    view::add(&mut shown, "grant", grant(&app, &stored).await?);
    Ok(Json(shown))
}

/// The grant that came of an approval, if one did.
async fn grant(app: &Arc<App>, stored: &StoredApproval) -> Result<Value, Failure> {
    let (task, approval) = (stored.approval.task, stored.approval.id);
    let grants = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::grants::of_task(conn, task)?))
        .await?;
    let found = grants.iter().find(|grant| grant.approval == approval);
    Ok(found.map_or(Value::Null, |found| view::grant(found)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Deny {
    #[serde(default)]
    note: String,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn deny(
    State(Control { app, .. }): State<Control>,
    Path(approval): Path<String>,
    Body(body): Body<Deny>,
) -> Answer {
    let stored = vote::deny(
        &app,
        approval_id(&approval)?,
        body.note,
        &by(&app, body.by.as_ref())?,
    )
    .await?;
    Ok(Json(view::approval(&stored)?))
}

fn approval_id(text: &str) -> Result<ApprovalId, Failure> {
    id(text, "an approval", "remit approvals")
}
