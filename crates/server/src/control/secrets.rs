//! `/v1/secrets`: values come in, none ever goes out.

use axum::Json;
use axum::extract::{Path, State};
use remit_broker::source::Source;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Acting, Body, by, parse};
use super::error::Answer;
use crate::app::Failure;
use crate::broker::vault::{self, Given, Listed, NewSecret};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    name: String,
    system: Option<String>,
    account: Option<String>,
    value: Option<SecretString>,
    from: Option<String>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn add(State(Control { app, .. }): State<Control>, Body(body): Body<Add>) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let value = match (body.value, body.from) {
        (Some(value), None) => Given::Value(value),
        (None, Some(from)) => Given::Reference(parse::<Source>(&from)?),
        _ => return Err(Failure::invalid("give either `value` or `from`").into()),
    };
    let new = NewSecret {
        name: parse(&body.name)?,
        system: body.system.as_deref().map(parse).transpose()?,
        account: body.account,
        value,
    };
    vault::add(&app, new, &by).await?;
    Ok(Json(json!({"name": body.name, "state": "added"})))
}

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    let listed = vault::list(&app).await?;
    Ok(Json(listed.iter().map(shown).collect()))
}

fn shown(listed: &Listed) -> Value {
    let secret = &listed.secret;
    let versions: Vec<Value> = listed
        .versions
        .iter()
        .map(|(version, made_at, until, destroyed)| {
            let state = match (destroyed, *version == secret.version) {
                (true, _) => "destroyed",
                (false, true) => "current",
                (false, false) => "kept",
            };
            json!({
                "version": version,
                "made_at": made_at.to_string(),
                "until": until.map(|at| at.to_string()),
                "state": state,
            })
        })
        .collect();
    json!({
        "name": secret.name.as_str(),
        "system": secret.system.as_ref().map(|system| system.as_str()),
        "account": secret.account,
        "source": secret.source,
        "version": secret.version,
        "state": if secret.retired { "retired" } else { "active" },
        "versions": versions,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotate {
    value: SecretString,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn rotate(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Rotate>,
) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let version = vault::rotate(&app, &parse(&name)?, &body.value, &by).await?;
    Ok(Json(
        json!({"name": name, "version": version, "state": "rotated"}),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rollback {
    to: Option<i64>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn rollback(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Rollback>,
) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let version = vault::rollback(&app, &parse(&name)?, body.to, &by).await?;
    Ok(Json(
        json!({"name": name, "version": version, "state": "rolled back"}),
    ))
}

pub(super) async fn retire(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    vault::retire(&app, &parse(&name)?, &by).await?;
    Ok(Json(json!({"name": name, "state": "retired"})))
}
