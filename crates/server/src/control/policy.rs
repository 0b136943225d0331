//! `/v1/policy`

use axum::Json;
use axum::extract::State;
use remit_policy::{Layer, Problem, Severity, Source};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Acting, Body, by};
use super::error::Answer;
use crate::app::Failure;
use crate::broker::rejudge::Ended;
use crate::engine::world;
use crate::policies::apply::{self, Applied};

pub(super) async fn show(State(Control { app, .. }): State<Control>) -> Answer {
    let world = app.world();
    let rules: Vec<Value> = world
        .policy
        .rules()
        .map(|rule| {
            json!({
                "id": rule.id,
                "layer": rule.layer.as_str(),
                "file": rule.file,
                "line": rule.line,
                "digest": rule.digest.to_string(),
            })
        })
        .collect();
    let layers = [
        Layer::Guardrail,
        Layer::Baseline,
        Layer::Organisation,
        Layer::Template,
    ];
    Ok(Json(json!({
        "version": world.policy.version().to_string(),
        "layers": layers.map(Layer::as_str),
        "rules": rules,
        "problems": problems(world.policy.warnings()),
    })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    files: Vec<File>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    path: String,
    text: String,
}

/// Checks files as if they were the organisation's, against the tools as they are registered now.
pub(super) async fn check(State(Control { app, .. }): State<Control>, Body(body): Body<Check>) -> Answer {
    let mut sources = crate::policies::Files::default().sources(&app.world().templates);
    sources.extend(
        body.files
            .into_iter()
            .map(|file| Source::organisation(file.path, file.text)),
    );
    let world = app.world();
    let compiled = tokio::task::spawn_blocking(move || {
        world::compile(&world.registry, &sources, &world.groups()).map(|bundle| bundle.warnings().to_vec())
    });
    let (ok, found) = match compiled.await.map_err(Failure::unavailable)? {
        Ok(warnings) => (true, warnings),
        Err(problems) => (false, problems),
    };
    Ok(Json(json!({"ok": ok, "problems": problems(&found)})))
}

/// Reads the policy folder again and puts it into force.
pub(super) async fn apply(State(Control { app, .. }): State<Control>, Body(body): Body<Acting>) -> Answer {
    Ok(Json(
        match apply::apply(&app, &by(&app, body.by.as_ref())?).await? {
            Applied::Refused(found) => {
                json!({"policy_version": null, "problems": problems(&found), "ended": []})
            }
            Applied::InForce { world, ended } => json!({
                "policy_version": world.policy.version().to_string(),
                "problems": problems(world.policy.warnings()),
                "ended": ended.iter().map(credential).collect::<Vec<_>>(),
            }),
        },
    ))
}

fn credential(ended: &Ended) -> Value {
    let lease = &ended.lease;
    json!({
        "lease": lease.id.to_string(),
        "task": lease.task.to_string(),
        "system": lease.system.as_str(),
        "class": lease.class.as_str(),
        "why": ended.why,
    })
}

fn problems(found: &[Problem]) -> Vec<Value> {
    found
        .iter()
        .map(|problem| {
            let mut sentence = problem.sentence.clone();
            if !problem.fix.is_empty() {
                sentence.push_str(&format!(": {}", problem.fix));
            }
            json!({
                "file": problem.file,
                "line": problem.line,
                "column": problem.column,
                "rule": problem.rule,
                "sentence": sentence,
                "severity": if problem.severity == Severity::Warning { "warning" } else { "error" },
            })
        })
        .collect()
}
