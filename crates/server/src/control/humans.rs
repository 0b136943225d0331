//! `/v1/humans`

use axum::Json;
use axum::extract::{Path, State};
use remit_core::name::Name;
use remit_core::people::Human;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::agents::standing;
use super::body::{Acting, Body, by, parse, parse_all};
use super::error::Answer;
use crate::app::{App, Failure};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn add(State(Control { app, .. }): State<Control>, Body(body): Body<Add>) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let human = crate::people::add_human(&app, parse(&body.name)?, parse_all(&body.roles)?, &by).await?;
    Ok(Json(shown(&human)))
}

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    Ok(Json(
        app.world().humans.values().map(|human| shown(human)).collect(),
    ))
}

pub(super) async fn show(State(Control { app, .. }): State<Control>, Path(name): Path<String>) -> Answer {
    Ok(Json(one(&app, &name)?))
}

pub(super) async fn change(
    State(Control { app, .. }): State<Control>,
    Path((name, verb)): Path<(String, String)>,
    Body(body): Body<Acting>,
) -> Answer {
    let standing = standing(&verb)?;
    let by = by(&app, body.by.as_ref())?;
    crate::people::set_human(&app, &parse(&name)?, standing, &by).await?;
    Ok(Json(one(&app, &name)?))
}

/// A second person confirms what a new human, or a new role of one, holds.
pub(super) async fn confirm(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    crate::people::confirm_human(&app, &parse(&name)?, &by).await?;
    Ok(Json(one(&app, &name)?))
}

/// A link by which a local person signs in at a browser.
pub(super) async fn login(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let link = crate::humans::create_link(&app, &parse(&name)?, &by).await?;
    Ok(Json(json!({"name": name, "link": link})))
}

fn one(app: &App, name: &str) -> Result<Value, Failure> {
    let name: Name = parse(name)?;
    let world = app.world();
    let human = world.humans.get(&name);
    human
        .map(|human| shown(human))
        .ok_or_else(|| Failure::NotFound(format!("no human `{name}` is registered: see `remit human list`")))
}

fn shown(human: &Human) -> Value {
    json!({
        "name": human.name.as_str(),
        "roles": human.roles.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "state": human.standing.as_str(),
    })
}
