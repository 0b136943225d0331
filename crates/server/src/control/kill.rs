//! `POST /v1/kill`

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Body, by};
use super::error::Answer;
use crate::app::Failure;
use crate::tasks::end::Gone;
use crate::tasks::kill::Target;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kill {
    id: String,
    #[serde(default)]
    reason: String,
    /// Lift the stop of a host again.
    #[serde(default)]
    lift: bool,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn kill(State(Control { app, .. }): State<Control>, Body(body): Body<Kill>) -> Answer {
    let target = Target::parse(&body.id).map_err(Failure::invalid)?;
    let by = by(&app, body.by.as_ref())?;
    if body.lift {
        crate::tasks::kill::lift(&app, target, &by).await?;
        return Ok(Json(json!({"lifted": body.id})));
    }
    let gone = crate::tasks::kill::kill(&app, target, &by, &body.reason).await?;
    Ok(Json(json!({
        "id": body.id,
        "killed": gone.tasks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "in_flight": in_flight(&gone),
        "processes": processes(&gone),
    })))
}

/// Calls that were under way.
pub(super) fn in_flight(gone: &Gone) -> Value {
    gone.in_flight
        .iter()
        .map(|call| json!({"call": call.call, "since": call.since.to_string()}))
        .collect()
}

/// Processes that are alive and have no authority any more.
fn processes(gone: &Gone) -> Value {
    gone.alive
        .iter()
        .map(|alive| json!({"pid": alive.pid, "run": alive.run.to_string(), "task": alive.task.to_string()}))
        .collect()
}
