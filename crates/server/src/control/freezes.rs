//! `/v1/freezes`

use axum::Json;
use axum::extract::State;
use remit_core::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Body, by, parse};
use super::error::Answer;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    resource: String,
    until_ms: i64,
    #[serde(default)]
    reason: String,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn place(State(Control { app, .. }): State<Control>, Body(body): Body<Place>) -> Answer {
    let until = Timestamp(body.until_ms);
    let by = by(&app, body.by.as_ref())?;
    crate::freezes::place(&app, parse(&body.resource)?, until, body.reason, &by).await?;
    Ok(Json(
        json!({"resource": body.resource, "until": until.to_string(), "by": by.as_str()}),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lift {
    resource: String,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn lift(State(Control { app, .. }): State<Control>, Body(body): Body<Lift>) -> Answer {
    crate::freezes::lift(&app, parse(&body.resource)?, &by(&app, body.by.as_ref())?).await?;
    Ok(Json(json!({"resource": body.resource, "state": "lifted"})))
}

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    let now = app.clock.now();
    let world = app.world();
    let freezes: Vec<Value> = world
        .freezes
        .iter()
        .filter(|freeze| now < freeze.until)
        .map(|freeze| {
            json!({
                "resource": freeze.resource.to_string(),
                "until": freeze.until.to_string(),
                "by": freeze.by.as_str(),
                "reason": freeze.why,
            })
        })
        .collect();
    Ok(Json(freezes.into()))
}
