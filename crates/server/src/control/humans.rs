//! `/v1/humans`

use axum::Json;
use axum::extract::{Path, State};
use remit_core::name::Name;
use remit_core::people::{Human, Kind};
use remit_store::codec::authority_to_json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::agents::{Limits, authority, standing};
use super::body::{Acting, Body, by, parse, parse_all};
use super::error::Answer;
use super::view;
use crate::app::{App, Failure};
use crate::people::NewHuman;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    /// `human`, `system` or `stranger`.
    kind: Option<String>,
    /// Their own rights.
    rights: Option<Limits>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn add(State(Control { app, .. }): State<Control>, Body(body): Body<Add>) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let mut new = NewHuman::new(parse(&body.name)?, parse_all(&body.roles)?);
    if let Some(kind) = &body.kind {
        new.kind = Kind::parse(kind).ok_or_else(|| {
            Failure::invalid(format!("`{kind}` is no kind: it is human, system or stranger"))
        })?;
    }
    new.authority = body.rights.as_ref().map(authority).transpose()?;
    let human = crate::people::add_human(&app, new, &by).await?;
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
        "kind": human.kind.as_str(),
        "rights": human.authority.as_ref().map(|rights| view::plain(&authority_to_json(rights))),
        "roles": human.roles.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "state": human.standing.as_str(),
    })
}
