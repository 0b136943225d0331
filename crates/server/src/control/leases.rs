//! `/v1/leases`: what credentials there are, how surely they die, and what may honestly be said about each.

use axum::Json;
use axum::extract::{Query, State};
use remit_core::id::TaskId;
use remit_core::lease::Lease;
use remit_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::id;
use super::error::Answer;
use crate::app::{App, Failure};
use crate::broker::revoke;

/// Leases shown at once.
const SHOWN_MAX: u32 = 500;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    task: Option<String>,
    #[serde(default)]
    open: bool,
}

pub(super) async fn list(State(Control { app, .. }): State<Control>, Query(which): Query<Which>) -> Answer {
    let task: Option<TaskId> = which
        .task
        .as_deref()
        .map(|task| id(task, "a task", "remit task list"))
        .transpose()?;
    let listed = app
        .store
        .read(move |conn| {
            Ok::<_, Failure>(if which.open {
                remit_store::leases::open(conn)?
            } else {
                remit_store::leases::newest(conn, task, SHOWN_MAX)?
            })
        })
        .await?;
    let now = app.clock.now();
    let limit = usize::try_from(SHOWN_MAX).unwrap_or(usize::MAX);
    Ok(Json(
        listed
            .iter()
            .take(limit)
            .map(|lease| shown(&app, lease, now))
            .collect(),
    ))
}

fn shown(app: &App, lease: &Lease, now: Timestamp) -> Value {
    json!({
        "id": lease.id.to_string(),
        "task": lease.task.to_string(),
        "system": lease.system.as_str(),
        "backend": lease.backend.as_str(),
        "name": lease.handle,
        "class": lease.class.as_str(),
        "means": lease.class.sentence(),
        "state": lease.state.as_str(),
        "promise": lease.promise(now).to_string(),
        "planned_at": lease.planned_at.to_string(),
        "ended_at": lease.ended_at.map(|at| at.to_string()),
        "expires_at": lease.expires_at.to_string(),
        "tries": revoke::tries(app, lease.id),
    })
}

/// How many there are in each state that is not over.
pub(super) async fn counts(app: &App) -> Result<Value, Failure> {
    let counts = revoke::counts(app).await?;
    Ok(json!({
        "live": counts.live,
        "revoking": counts.revoking,
        "fading": counts.fading,
        "stuck": counts.stuck,
    }))
}
