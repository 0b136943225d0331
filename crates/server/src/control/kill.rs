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
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn kill(State(Control { app, .. }): State<Control>, Body(body): Body<Kill>) -> Answer {
    let target = Target::parse(&body.id).map_err(Failure::invalid)?;
    let gone = crate::tasks::kill::kill(&app, target, &by(&app, body.by.as_ref())?, &body.reason).await?;
    Ok(Json(json!({
        "killed": gone.tasks.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "in_flight": in_flight(&gone),
        "processes": gone.processes,
    })))
}

/// Calls that were under way.
pub(super) fn in_flight(gone: &Gone) -> Value {
    gone.in_flight
        .iter()
        .map(|call| json!({"call": call.call, "since": call.since.to_string()}))
        .collect()
}
