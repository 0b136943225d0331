//! `/v1/systems`, and what a run needs to go through the egress proxy.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, State};
use remit_core::id::RunId;
use remit_core::name::Name;
use remit_egress::describe::{Place, SHIPPED, System};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Control;
use super::body::{Acting, Body, by, parse};
use super::error::Answer;
use crate::app::Failure;
use crate::egress::systems::{self, NewSystem};
use crate::registry::snapshot::ServerEntry;
use crate::tasks::builtin;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    name: String,
    kind: Option<String>,
    description: Option<String>,
    openapi: Option<String>,
    #[serde(default)]
    hosts: Vec<String>,
    scheme: Option<String>,
    port: Option<u16>,
    #[serde(default)]
    allow_private: bool,
    /// Say what it would be, and register nothing.
    #[serde(default)]
    propose: bool,
    #[serde(rename = "as")]
    by: Option<String>,
}

pub(super) async fn add(State(Control { app, .. }): State<Control>, Body(body): Body<Add>) -> Answer {
    let name: Name = parse(&body.name)?;
    let new = NewSystem {
        kind: body.kind,
        description: body.description,
        openapi: body.openapi,
        hosts: body.hosts,
        scheme: body.scheme,
        port: body.port,
        allow_private: body.allow_private,
    };
    let added = if body.propose {
        systems::describe(&name, &new)?
    } else {
        systems::add(&app, &name, &new, &by(&app, body.by.as_ref())?).await?
    };
    let mut answer = shown(&added.system);
    if let Some(members) = answer.as_object_mut() {
        let operations = added.system.all_operations().map(|operation| {
            json!({
                "tool": format!("{name}/{}", operation.name),
                "call": format!("{} {}", operation.methods.join(","), operation.path.text),
                "class": operation.class.as_str(),
                "irreversible": operation.irreversible,
                "mints": operation.mints,
            })
        });
        members.insert("operations".to_owned(), operations.collect());
        members.insert("left_out".to_owned(), json!(added.left_out));
        members.insert("registered".to_owned(), json!(!body.propose));
        if body.propose {
            members.insert("description".to_owned(), json!(added.description));
        }
    }
    Ok(Json(answer))
}

pub(super) async fn list(State(Control { app, .. }): State<Control>) -> Answer {
    let world = app.world();
    let mut all: Vec<Value> = world
        .registry
        .servers()
        .filter_map(|entry| Some((entry, entry.system.as_ref()?)))
        .map(|(entry, system)| {
            let mut shown = shown(system);
            if let Some(members) = shown.as_object_mut() {
                members.insert("registered".to_owned(), json!(true));
                members.insert("allow_private".to_owned(), json!(entry.server.allow_private));
                members.insert("operations".to_owned(), json!(callable(entry)));
            }
            shown
        })
        .collect();
    for (kind, _) in SHIPPED {
        let known = kind
            .parse()
            .ok()
            .and_then(|name: Name| world.registry.server(&name).cloned());
        if known.is_none() {
            all.push(json!({"name": kind, "registered": false}));
        }
    }
    Ok(Json(all.into()))
}

fn callable(entry: &ServerEntry) -> usize {
    entry.tools.values().filter(|tool| tool.is_callable()).count()
}

fn shown(system: &System) -> Value {
    let places = system
        .credentials
        .iter()
        .map(|credential| match &credential.place {
            Place::Header(name) => format!("header {name}"),
            Place::Basic => "basic".to_owned(),
            Place::Query(name) => format!("query {name}"),
        });
    json!({
        "name": system.name.as_str(),
        "title": system.title,
        "scheme": system.scheme(),
        "hosts": system.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "port": system.port(),
        "credentials": places.collect::<Vec<_>>(),
    })
}

pub(super) async fn retire(
    State(Control { app, .. }): State<Control>,
    Path(name): Path<String>,
    Body(body): Body<Acting>,
) -> Answer {
    let name: Name = parse(&name)?;
    if app
        .world()
        .registry
        .server(&name)
        .is_none_or(|entry| entry.system.is_none())
    {
        return Err(Failure::NotFound(format!(
            "no system `{name}` is registered: see `remit system list`"
        ))
        .into());
    }
    crate::registry::servers::retire(&app, &name, &by(&app, body.by.as_ref())?).await?;
    Ok(Json(json!({"name": name.as_str(), "state": "retired"})))
}

/// What `remit run` puts into the environment of a run.
pub(super) async fn of_run(State(Control { app, .. }): State<Control>, Path(run): Path<String>) -> Answer {
    let run: RunId = run
        .parse()
        .map_err(|_| Failure::invalid(format!("`{run}` is not the id of a run")))?;
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::runs::get(conn, run)?))
        .await?
        .filter(|stored| stored.ended_at.is_none());
    let stored = stored.ok_or_else(|| Failure::NotFound(format!("no run `{run}` is live")))?;
    let live = crate::engine::session::of_task(&app, stored.run.task).await?;
    let ca = app.egress.authority(&app, &live).map_err(Failure::unavailable)?;
    let world = app.world();
    let systems: Vec<Value> = world
        .registry
        .servers()
        .filter_map(|entry| entry.system.as_ref())
        .map(|system| shown(system))
        .collect();
    let reaches = |system: &Name| {
        let entry = world.registry.server(system);
        entry.is_some_and(|entry| crate::egress::reaches(&live, entry))
    };
    let mut placeholders: BTreeMap<String, String> = crate::broker::environment(&app, run, reaches)
        .into_iter()
        .collect();
    let decoy = format!("{}__{}", builtin::SERVER, builtin::decoy::name(&app, run));
    placeholders.insert(builtin::decoy::VARIABLE.to_owned(), decoy);
    Ok(Json(json!({
        "proxy": app.base_url.borrow().as_str(),
        "ca": ca.pem(),
        "systems": systems,
        "placeholders": placeholders,
    })))
}
