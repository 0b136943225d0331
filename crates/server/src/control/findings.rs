//! `/v1/findings`

use axum::Json;
use axum::extract::State;
use remit_core::limits::FINDINGS_LISTED_MAX;
use serde_json::{Value, json};

use super::Control;
use super::error::Answer;

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    let findings = crate::findings::latest(&app, FINDINGS_LISTED_MAX).await?;
    let shown: Vec<Value> = findings
        .iter()
        .map(|finding| {
            let detail = remit_core::json::Value::Object(finding.detail.clone()).to_string();
            json!({
                "kind": finding.kind,
                "agent": finding.agent,
                "task": finding.task,
                "run": finding.run,
                "message": finding.message,
                "detail": serde_json::from_str::<Value>(&detail).unwrap_or_default(),
                "first_at": finding.first_at.to_string(),
                "last_at": finding.last_at.to_string(),
                "times": finding.times,
            })
        })
        .collect();
    Ok(Json(shown.into()))
}
