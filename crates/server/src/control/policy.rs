//! `/v1/policy`

use axum::Json;
use axum::extract::State;
use remit_core::people::Role;
use remit_policy::{Layer, Problem, Severity, Source};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Acting, Body, by};
use super::error::Answer;
use crate::app::Failure;
use crate::engine::world;

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
    let (mut sources, _) = crate::policies::sources(&app.config, &app.paths)?;
    sources.retain(|source| source.layer != Layer::Organisation);
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
    crate::people::expect_role(&app, &by(&app, body.by.as_ref())?, &Role::Administrator)?;
    let (sources, _) = crate::policies::sources(&app.config, &app.paths)?;
    let before = app.world();
    let checked = tokio::task::spawn_blocking(move || {
        world::compile(&before.registry, &sources, &before.groups()).map(drop)
    });
    if let Err(found) = checked.await.map_err(Failure::unavailable)? {
        return Ok(Json(
            json!({"policy_version": null, "problems": problems(&found)}),
        ));
    }
    let world = app.reload().await?;
    Ok(Json(json!({
        "policy_version": world.policy.version().to_string(),
        "problems": problems(world.policy.warnings()),
    })))
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
