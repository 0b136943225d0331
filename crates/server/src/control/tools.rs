//! `/v1/tools`

use axum::Json;
use axum::extract::{Query, State};
use remit_core::name::{Name, ToolName};
use remit_core::tool::{Marks, ToolRef};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Body, by, parse, parse_all};
use super::error::Answer;
use super::view;
use crate::app::Failure;
use crate::registry::admit::{self, Said};
use crate::registry::definition::Finding;
use crate::registry::snapshot::{Registry, ToolEntry};
use crate::registry::surface;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    server: Option<String>,
}

pub(super) async fn list(State(Control { app, .. }): State<Control>, Query(which): Query<Which>) -> Answer {
    let server: Option<Name> = which.server.as_deref().map(parse).transpose()?;
    let world = app.world();
    if let Some(server) = &server
        && world.registry.server(server).is_none()
    {
        return Err(Failure::NotFound(format!(
            "no server `{server}` is registered: see `remit mcp list`"
        ))
        .into());
    }
    let mut tools: Vec<_> = world
        .registry
        .tools()
        .filter(|tool| {
            server
                .as_ref()
                .is_none_or(|server| tool.tool.name.server == *server)
        })
        .collect();
    // Tools first; what else a server says comes after them.
    tools.sort_by_key(|tool| (tool.tool.name.server.clone(), tool.is_surface()));
    Ok(Json(
        tools
            .into_iter()
            .map(|tool| shown(&world.registry, tool))
            .collect(),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admit {
    #[serde(default)]
    tools: Vec<String>,
    server: Option<String>,
    #[serde(default)]
    all: bool,
    class: Option<String>,
    irreversible: Option<bool>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn admit(State(Control { app, .. }): State<Control>, Body(body): Body<Admit>) -> Answer {
    let tools: Vec<ToolRef> = match (&body.server, body.all) {
        (Some(server), true) => admit::waiting(&app, &parse(server)?),
        (None, false) if !body.tools.is_empty() => parse_all(&body.tools)?,
        _ => return Err(Failure::invalid("name `tools`, or a `server` with `all`").into()),
    };
    let said = Said {
        class: body.class.as_deref().map(parse).transpose()?,
        irreversible: body.irreversible,
    };
    let said = (said.class.is_some() || said.irreversible.is_some()).then_some(said);
    admit::admit(&app, &tools, said, &by(&app, body.by.as_ref())?).await?;
    let world = app.world();
    let admitted: Vec<Value> = tools
        .iter()
        .filter_map(|tool| world.registry.tool(tool))
        .map(|tool| shown(&world.registry, tool))
        .collect();
    Ok(Json(json!({ "admitted": admitted })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Retire {
    tools: Vec<String>,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn retire(State(Control { app, .. }): State<Control>, Body(body): Body<Retire>) -> Answer {
    let tools: Vec<ToolRef> = parse_all(&body.tools)?;
    admit::retire(&app, &tools, &by(&app, body.by.as_ref())?).await?;
    Ok(Json(json!({ "retired": body.tools })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct One {
    tool: String,
}

pub(super) async fn diff(State(Control { app, .. }): State<Control>, Query(one): Query<One>) -> Answer {
    let tool: ToolRef = parse(&one.tool)?;
    let difference = admit::diff(&app, &tool).await?;
    Ok(Json(json!({
        "tool": tool.to_string(),
        "admitted": difference.admitted.as_ref().map(view::plain),
        "seen": difference.seen.as_ref().map(view::plain),
        "diff": difference.lines,
    })))
}

/// A finding of a definition.
pub(super) fn finding(finding: &Finding) -> Value {
    json!({"code": finding.code, "sentence": finding.sentence})
}

fn shown(registry: &Registry, entry: &ToolEntry) -> Value {
    let tool = &entry.tool;
    let server = registry.server(&tool.name.server);
    let others: Vec<&str> = server
        .iter()
        .flat_map(|server| server.tools.keys().map(ToolName::as_str))
        .collect();
    let mut findings: Vec<Value> = entry.definition.findings(&others).iter().map(finding).collect();
    if let Err(why) = &entry.check {
        findings.push(json!({"code": "schema", "sentence": why}));
    }
    json!({
        "tool": tool.name.to_string(),
        "kind": surface::kind(&tool.name.tool),
        "state": tool.state.as_str(),
        "callable": entry.is_callable(),
        "changed": entry.changed(),
        "class": tool.classification.class.as_str(),
        "marks": marks(tool.classification.marks),
        "because": tool.classification.because,
        "fingerprint": tool.fingerprint.to_string(),
        "admitted": entry.admitted.map(|digest| digest.to_string()),
        "findings": findings,
    })
}

fn marks(marks: Marks) -> Vec<&'static str> {
    [("irreversible", marks.irreversible), ("mints", marks.mints)]
        .into_iter()
        .filter_map(|(name, set)| set.then_some(name))
        .collect()
}
