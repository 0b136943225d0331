//! `/v1/servers`

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use remit_core::name::Name;
use remit_store::servers::Transport;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Acting, Body, by, parse};
use super::error::Answer;
use super::view;
use crate::app::Failure;
use crate::registry::servers::{Added, AddedTool, NewServer};
use crate::registry::snapshot::ServerEntry;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    name: String,
    url: Option<String>,
    #[serde(default)]
    command: Vec<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<std::path::PathBuf>,
    #[serde(default)]
    allow_private: bool,
    #[serde(default)]
    shareable: bool,
    #[serde(default)]
    uncontained: bool,
    #[serde(default)]
    accept_floating: bool,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn add(State(Control { app, .. }): State<Control>, Body(body): Body<Add>) -> Answer {
    let transport = match (body.url, body.command) {
        (Some(url), command) if command.is_empty() => Transport::Url(url),
        (None, command) if !command.is_empty() => Transport::Command(command),
        _ => return Err(Failure::invalid("give either `url` or `command`").into()),
    };
    let name: Name = parse(&body.name)?;
    let new = NewServer {
        name: name.clone(),
        transport,
        allow_private: body.allow_private,
        shareable: body.shareable,
        uncontained: body.uncontained,
        environment: body.env.into_iter().collect(),
        cwd: body.cwd,
        accept_floating: body.accept_floating,
    };
    if new.uncontained && matches!(new.transport, Transport::Url(_)) {
        return Err(Failure::invalid("`uncontained` is for a server that is started by a command").into());
    }
    if new.cwd.is_some() && matches!(new.transport, Transport::Url(_)) {
        return Err(Failure::invalid("`cwd` is for a server that is started by a command").into());
    }
    let added = crate::registry::servers::add(&app, new, &by(&app, body.by.as_ref())?).await?;
    Ok(Json(outcome(&name, &added)))
}

pub(super) async fn refresh(State(Control { app, .. }): State<Control>, Path(name): Path<String>) -> Answer {
    let name: Name = parse(&name)?;
    let added = crate::registry::servers::refresh(&app, &name).await?;
    Ok(Json(outcome(&name, &added)))
}

pub(super) async fn retire(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let name: Name = parse(&name)?;
    crate::registry::servers::retire(&app, &name, &by(&app, body.by.as_ref())?).await?;
    Ok(Json(json!({"name": name.as_str(), "state": "retired"})))
}

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    Ok(Json(
        app.world()
            .registry
            .servers()
            .filter(|entry| entry.system.is_none())
            .map(|entry| shown(entry))
            .collect(),
    ))
}

fn shown(entry: &ServerEntry) -> Value {
    let server = &entry.server;
    let callable = entry
        .tools
        .values()
        .filter(|tool| tool.is_callable() && !tool.is_surface());
    let all = entry.tools.values().filter(|tool| !tool.is_surface());
    let mut shown = json!({
        "name": server.name.as_str(),
        "id": server.id.to_string(),
        "identity": server.identity.map(|digest| digest.to_string()),
        "allow_private": server.allow_private,
        "shareable": server.shareable,
        "network": network(entry),
        // Values may be secrets.
        "env": server.environment.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        "tools": all.count(),
        "callable": callable.count(),
    });
    match &server.transport {
        Transport::Url(url) => view::add(&mut shown, "url", url.as_str()),
        Transport::Command(command) => view::add(&mut shown, "command", command.clone()),
        Transport::Database(schema) => view::add(&mut shown, "database", schema.as_str()),
        Transport::System(_) => {}
    }
    if let Some(cwd) = &server.cwd {
        view::add(&mut shown, "cwd", cwd.as_str());
    }
    shown
}

/// Whose eyes are on what a server does over the network.
fn network(entry: &ServerEntry) -> &'static str {
    match &entry.server.transport {
        Transport::Url(_) => "remote",
        _ if entry.contained => "contained",
        _ => "uncontained",
    }
}

fn outcome(name: &Name, added: &Added) -> Value {
    json!({
        "server": name.as_str(),
        "identity": added.identity,
        "floating": added.floating,
        "needs_reauth": added.needs_reauth,
        "admitted": added.admitted.iter().map(|tool| described(name, tool)).collect::<Vec<_>>(),
        "quarantined": added.quarantined.iter().map(|tool| described(name, tool)).collect::<Vec<_>>(),
    })
}

fn described(server: &Name, tool: &AddedTool) -> Value {
    json!({
        "tool": format!("{server}/{}", tool.tool),
        "class": tool.class,
        "marks": if tool.irreversible { vec!["irreversible"] } else { Vec::new() },
        "because": tool.because,
        "findings": tool.findings.iter().map(super::tools::finding).collect::<Vec<_>>(),
    })
}
