//! `/v1/agents`

use axum::Json;
use axum::extract::{Path, State};
use remit_core::authority::{Authority, Scope};
use remit_core::name::Name;
use remit_core::people::{Agent, Standing};
use remit_core::tool::ToolClass;
use remit_store::codec::authority_to_json;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Acting, Body, by, parse, parse_all};
use super::error::Answer;
use super::view;
use crate::app::{App, Failure};
use crate::people::NewAgent;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    name: String,
    owner: Option<String>,
    backup_owner: Option<String>,
    #[serde(default)]
    purpose: String,
    ceiling: Option<Limits>,
    #[serde(rename = "as")]
    by: Option<String>,
}

/// The most somebody may ever hold, as flags say it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    destinations: Vec<String>,
}

pub(super) async fn add(State(Control { app, .. }): State<Control>, Body(body): Body<Add>) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let new = NewAgent {
        name: parse(&body.name)?,
        owner: body.owner.as_deref().map_or_else(|| Ok(by.clone()), parse)?,
        backup_owner: body.backup_owner.as_deref().map(parse).transpose()?,
        purpose: body.purpose,
        ceiling: body.ceiling.as_ref().map(authority).transpose()?,
    };
    Ok(Json(shown(&crate::people::add_agent(&app, new, &by).await?)))
}

/// Limits as an authority; what is not named is not limited.
pub(super) fn authority(said: &Limits) -> Result<Authority, Failure> {
    let mut limit = Authority::unbounded();
    if !said.allow.is_empty() {
        limit.tools = parse_all(&said.allow)?;
        limit.classes = ToolClass::ALL.into_iter().collect();
    }
    if !said.resources.is_empty() {
        limit.resources = Scope::Only(parse_all(&said.resources)?);
    }
    if !said.destinations.is_empty() {
        limit.destinations = Scope::Only(parse_all(&said.destinations)?);
    }
    Ok(limit)
}

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    Ok(Json(
        app.world().agents.values().map(|agent| shown(agent)).collect(),
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
    crate::people::set_agent(&app, &parse(&name)?, standing, &by).await?;
    Ok(Json(one(&app, &name)?))
}

/// What a verb in an address makes of somebody.
pub(super) fn standing(verb: &str) -> Result<Standing, Failure> {
    match verb {
        "suspend" => Ok(Standing::Suspended),
        "resume" => Ok(Standing::Active),
        "retire" => Ok(Standing::Retired),
        _ => Err(Failure::NotFound(
            "there are `suspend`, `resume` and `retire`".to_owned(),
        )),
    }
}

fn one(app: &App, name: &str) -> Result<Value, Failure> {
    let name: Name = parse(name)?;
    let world = app.world();
    let agent = world.agents.get(&name);
    agent
        .map(|agent| shown(agent))
        .ok_or_else(|| Failure::NotFound(format!("no agent `{name}` is registered: see `remit agent list`")))
}

fn shown(agent: &Agent) -> Value {
    json!({
        "name": agent.name.as_str(),
        "owner": agent.owner.as_str(),
        "backup_owner": agent.backup_owner.as_ref().map(ToString::to_string),
        "purpose": agent.purpose,
        "state": agent.standing.as_str(),
        "ceiling": view::plain(&authority_to_json(&agent.ceiling)),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Enrol {
    ttl_ms: Option<i64>,
    #[serde(rename = "as")]
    by: Option<String>,
}

/// An hour: long enough to carry it over, too short to lie about.
const ENROLMENT_MS: i64 = 60 * 60 * 1000;

pub(super) async fn enrol(
    State(Control { app, .. }): State<Control>,
    Path(agent): Path<String>,
    Body(body): Body<Enrol>,
) -> Answer {
    let by = by(&app, body.by.as_ref())?;
    let agent: Name = parse(&agent)?;
    let ttl = body.ttl_ms.unwrap_or(ENROLMENT_MS);
    let (token, expires_at) = crate::attest::enrol::enrol(&app, &agent, ttl, &by).await?;
    Ok(Json(json!({
        "agent": agent.as_str(),
        "enrolment": token,
        "expires_at": expires_at.to_string(),
        "attest_url": format!("{}{}", *app.base_url.borrow(), crate::attest::http::PATH),
    })))
}
