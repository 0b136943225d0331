//! `/v1/records`, `/v1/timeline`, `/v1/who`, `/v1/explain`

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use remit_core::id::{DecisionId, TaskId};
use remit_core::time::Timestamp;
use remit_ledger::record::Record;
use remit_store::records::{self, Key};
use serde::Deserialize;
use serde_json::json;

use super::Control;
use super::body::{id, parse};
use super::error::{Answer, Refusal};
use super::{stream, view};
use crate::app::{App, Failure};
use crate::evidence;

/// Records one list answers with when nothing is said.
const LIST: u32 = 100;
/// Most records one list answers with.
const LIST_MAX: u32 = 10_000;
/// How often a stream looks for new records.
const LOOK: Duration = Duration::from_millis(100);
/// Records a stream reads in one go.
const BATCH: u32 = 256;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    task: Option<String>,
    after: Option<u64>,
    limit: Option<u32>,
}

/// Records after one, oldest first; without `after` the newest.
pub(super) async fn list(State(Control { app, .. }): State<Control>, Query(which): Query<Which>) -> Answer {
    let limit = which.limit.unwrap_or(LIST).min(LIST_MAX);
    let task = which.task.as_deref().map(task_id).transpose()?;
    let found = match (task, which.after) {
        (None, Some(after)) => evidence::range(&app, after.saturating_add(1), limit).await?,
        (Some(task), Some(after)) => evidence::of_task(&app, task, after.saturating_add(1), limit).await?,
        (task, None) => newest(&app, task, limit).await?,
    };
    Ok(Json(view::records(&found)?))
}

async fn newest(app: &Arc<App>, task: Option<TaskId>, limit: u32) -> Result<Vec<Record>, Failure> {
    app.store
        .read(move |conn| {
            let size = records::count(conn)?;
            let stored = match task {
                None => records::range(conn, size.saturating_sub(u64::from(limit)), limit)?,
                Some(task) => {
                    let key = task.to_string();
                    let mut found = records::latest(conn, &Key::Task(&key), size, limit)?;
                    found.reverse();
                    found
                }
            };
            stored
                .iter()
                .map(|record| record.decode().map_err(Failure::from))
                .collect()
        })
        .await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct From {
    task: Option<String>,
    /// A place, or `newest`.
    after: Option<String>,
}

/// Each record after one, as it is recorded.
pub(super) async fn stream(
    State(control): State<Control>,
    Query(from): Query<From>,
) -> Result<Response, Refusal> {
    let app = Arc::clone(&control.app);
    let task = from
        .task
        .as_deref()
        .map(task_id)
        .transpose()?
        .map(|task| task.to_string());
    let mut next = match from.after.as_deref() {
        None => 0,
        Some("newest") => {
            app.store
                .read(|conn| Ok::<_, Failure>(records::count(conn)?))
                .await?
        }
        Some(place) => parse::<u64>(place)?.saturating_add(1),
    };
    Ok(stream::lines(control.stopping, async move |lines| {
        loop {
            let found = evidence::range(&app, next, BATCH).await?;
            for record in &found {
                next = record.seq + 1;
                if task.is_none() || record.task == task {
                    lines.send(&view::record(record)?).await?;
                }
            }
            if found.is_empty() {
                tokio::time::sleep(LOOK).await;
            }
        }
    }))
}

/// Everything that happened in a task.
pub(super) async fn timeline(State(Control { app, .. }): State<Control>, Path(task): Path<String>) -> Answer {
    let task = task_id(&task)?;
    let found = evidence::of_task(&app, task, 0, u32::MAX).await?;
    if found.is_empty() {
        return Err(Failure::NotFound(format!("no task `{task}`: see `remit task list --all`")).into());
    }
    Ok(Json(view::records(&found)?))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Who {
    resource: String,
    at_ms: Option<i64>,
}

/// Who touched a resource, latest first.
pub(super) async fn who(State(Control { app, .. }): State<Control>, Query(asked): Query<Who>) -> Answer {
    let found = evidence::who(&app, parse(&asked.resource)?, asked.at_ms.map(Timestamp)).await?;
    Ok(Json(view::records(&found)?))
}

/// Why a call was decided as it was, from what was recorded then; rules are quoted if they still say the same.
pub(super) async fn explain(
    State(Control { app, .. }): State<Control>,
    Path(decision): Path<String>,
) -> Answer {
    let decision: DecisionId = id(&decision, "a decision", "remit tail")?;
    let found = evidence::of_decision(&app, decision).await?;
    let first = found
        .iter()
        .find(|record| record.decision.is_some())
        .or(found.first())
        .ok_or_else(|| Failure::NotFound(format!("no decision `{decision}` is recorded")))?;
    Ok(Json(json!({
        "record": view::record(first)?,
        "records": view::records(&found)?,
        "lines": lines(&app, first, &found),
    })))
}

fn lines(app: &App, first: &Record, all: &[Record]) -> Vec<String> {
    let detail = |key: &str| {
        first
            .detail
            .get(key)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
    };
    let mut lines = Vec::new();
    let mut say = |name: &str, text: &str| {
        if !text.is_empty() {
            lines.push(format!("{name:<11} {text}"));
        }
    };
    say("because", detail("message"));
    say("reason", first.reason.as_deref().unwrap_or_default());
    say("tier", detail("tier"));
    say("approval", first.approval.as_deref().unwrap_or_default());
    say("policy", first.policy_version.as_deref().unwrap_or_default());
    let world = app.world();
    for rule in &first.rules {
        let id = rule.split_whitespace().next().unwrap_or(rule);
        let text = world
            .policy
            .rules()
            .find(|known| known.id == id)
            .filter(|known| rule == id || rule.ends_with(&known.digest.to_string()))
            .map_or_else(
                || format!("{id} (not in force any more)"),
                |known| format!("{id} ({}, {}:{})", known.layer, known.file, known.line),
            );
        say("rule", &text);
    }
    if let Some(would) = first.detail.get("would") {
        let part = |name: &str| {
            would
                .get(name)
                .and_then(|value| value.as_str())
                .unwrap_or_default()
        };
        say(
            "observed",
            &format!("without observe mode: {} ({})", part("decision"), part("message")),
        );
    }
    for line in crate::engine::uses::explain(first) {
        say("risk", &line);
    }
    say("confinement", first.confinement.as_deref().unwrap_or_default());
    say("proof", first.proof.as_deref().unwrap_or_default());
    for record in all {
        if let Some(outcome) = &record.outcome {
            say("outcome", outcome);
        }
    }
    lines
}

fn task_id(text: &str) -> Result<TaskId, Failure> {
    id(text, "a task", "remit task list")
}
