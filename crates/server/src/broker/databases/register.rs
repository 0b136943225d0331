//! Registers each configured database as a server of ours, with its tools admitted by rule: their definitions are ours.

use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::id::ServerId;
use remit_core::json::{Object, Value};
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::tool::{Classification, Marks, Tool, ToolClass, ToolRef, ToolState};
use remit_core::{array, object};
use remit_store::Epoch;
use remit_store::servers::{Server, Transport};
use remit_store::tools::RegisteredTool;

use super::{STATEMENT, TOOLS};
use crate::app::{App, Failure};
use crate::config::Database;
use crate::engine::record;
use crate::registry::definition::Definition;

/// Registers what is configured and not registered yet. One that cannot be is left out, loudly.
pub async fn all(app: &Arc<App>) {
    for (name, database) in &app.config.databases {
        let registered = match name.parse::<Name>() {
            Ok(name) => one(app, &name, database).await,
            Err(error) => Err(Failure::invalid(error)),
        };
        if let Err(failure) = registered {
            tracing::error!(database = %name, %failure, "a configured database could not be registered");
        }
    }
}

async fn one(app: &Arc<App>, name: &Name, database: &Database) -> Result<(), Failure> {
    crate::registry::servers::expect_free(name)?;
    let transport = Transport::Database(database.schema.clone());
    let world = app.world();
    if let Some(known) = world.registry.server(name) {
        if known.server.transport == transport {
            return Ok(());
        }
        return Err(Failure::Conflict(format!(
            "a server `{name}` is registered already, as something else: retire it first, or rename the database"
        )));
    }
    let identity = Digest::of(format!("{}/{}", database.place(), database.database).as_bytes());
    let server = Server {
        cwd: None,
        name: name.clone(),
        id: ServerId::fresh(app.clock.now(), &*app.entropy)?,
        transport,
        allow_private: database.allow_private,
        shareable: false,
        uncontained: false,
        environment: Vec::new(),
        identity: Some(identity),
        retired: false,
    };
    let tools: Vec<(RegisteredTool, Vec<u8>)> = TOOLS
        .iter()
        .map(|(tool, class)| registered(name, tool, *class))
        .collect::<Result<_, _>>()?;
    let mut entry = record::of("server.add");
    entry.detail.insert("server", name.as_str());
    entry
        .detail
        .insert("why", "a database of remit.toml; its tools are Remit's own");
    app.store
        .append(entry, move |tx| {
            match remit_store::servers::get(tx, &server.name)? {
                None => remit_store::servers::add(tx, &server)?,
                Some(mut retired) => {
                    retired.value = server.clone();
                    remit_store::servers::put(tx, &retired)?;
                }
            }
            for (tool, definition) in &tools {
                let fingerprint = tool.tool.fingerprint;
                remit_store::tools::keep_definition(tx, &tool.tool.name, fingerprint, definition)?;
                match remit_store::tools::get(tx, &tool.tool.name)? {
                    None => remit_store::tools::add(tx, tool)?,
                    Some(mut before) => {
                        before.value = tool.clone();
                        remit_store::tools::put(tx, &before)?;
                    }
                }
            }
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(())
}

fn registered(server: &Name, tool: &str, class: ToolClass) -> Result<(RegisteredTool, Vec<u8>), Failure> {
    let definition = Definition::new(definition(tool, class))
        .ok_or_else(|| Failure::Unavailable("a definition of ours has no name".to_owned()))?;
    let fingerprint = definition.fingerprint();
    let registered = RegisteredTool {
        tool: Tool {
            name: ToolRef {
                server: server.clone(),
                tool: tool.parse().map_err(Failure::unavailable)?,
            },
            fingerprint,
            state: ToolState::Admitted,
            classification: Classification {
                class,
                marks: Marks {
                    irreversible: class == ToolClass::Delete,
                    mints: false,
                },
                arguments: Vec::new(),
                labels: Labels::new(),
                because: "a tool of Remit itself".to_owned(),
            },
        },
        admitted: Some(fingerprint),
    };
    Ok((registered, Value::Object(definition.object).to_canonical()))
}

fn definition(tool: &str, class: ToolClass) -> Object {
    let does = match class {
        ToolClass::Read => "Reads: SELECT and plain EXPLAIN.",
        ToolClass::Write => "Changes rows: INSERT and UPDATE.",
        ToolClass::Delete => "Removes rows: DELETE and TRUNCATE.",
        _ => "Defines tables, indexes and views, or changes rights.",
    };
    let text = format!(
        "Runs one PostgreSQL statement, alone in its own transaction. {does} What a statement does decides what it is \
         judged as, whichever of the db tools it is sent to. Functions that do more than compute are refused."
    );
    let statement = object! {
        "type": "string",
        "description": "one statement; no parameters, no transaction control",
        "minLength": 1,
    };
    let schema = object! {
        "type": "object",
        "properties": object! { STATEMENT: statement },
        "required": array![STATEMENT],
        "additionalProperties": false,
    };
    let mut definition = Object::new();
    definition.insert("name", tool);
    definition.insert("description", text);
    definition.insert("inputSchema", schema);
    let mut hints = Object::new();
    hints.insert("readOnlyHint", class == ToolClass::Read);
    hints.insert(
        "destructiveHint",
        class == ToolClass::Delete || class == ToolClass::Privilege,
    );
    definition.insert("annotations", hints);
    definition
}
