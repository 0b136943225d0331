//! Observing: what a server shows is compared with what was admitted. Something new or changed is recorded and
//! quarantined; nothing is ever admitted here.

use std::sync::Arc;

use remit_core::json::Value;
use remit_core::label::Labels;
use remit_core::name::{Name, ToolName};
use remit_core::tool::{Classification, Marks, Tool, ToolClass, ToolRef, ToolState};
use remit_store::tools::RegisteredTool;
use remit_store::{Epoch, Stored};
use remit_upstream::Introspection;

use super::classify;
use super::definition::{Definition, Finding};
use super::surface;
use crate::app::{App, Failure};
use crate::engine::record;

/// One tool as it was shown, with what the rules say about it.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The name, where MCP allows it.
    pub name: Result<ToolName, String>,
    /// The definition.
    pub definition: Definition,
    /// What the rules propose.
    pub proposal: Option<Classification>,
    /// What a person has to see.
    pub findings: Vec<Finding>,
}

impl Shown {
    /// True when a person who adds the server need not look at this tool.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.name.is_ok() && self.proposal.is_some() && self.findings.is_empty()
    }

    /// The classification to store: what the rules propose, else the worst class until a person says otherwise.
    #[must_use]
    pub fn classification(&self) -> Classification {
        self.proposal.clone().unwrap_or_else(|| Classification {
            class: ToolClass::Privilege,
            marks: Marks::default(),
            arguments: Vec::new(),
            labels: Labels::new(),
            because: "no rule knows this name".to_owned(),
        })
    }
}

/// Reads everything a server shows, its surface included.
#[must_use]
pub fn shown(server: &Name, seen: &Introspection, known: &[ToolRef]) -> Vec<Shown> {
    let definitions: Vec<Definition> = seen.tools.iter().cloned().filter_map(Definition::new).collect();
    let names: Vec<&str> = definitions
        .iter()
        .map(|definition| definition.raw_name.as_str())
        .collect();
    let mut out: Vec<Shown> = definitions
        .iter()
        .map(|definition| {
            let name = definition.name().map_err(|error| error.to_string());
            let name = name.and_then(|n| {
                if surface::is_surface(&n) {
                    Err(format!(
                        "`{n}` is reserved: names that start with `.` are not tools"
                    ))
                } else {
                    Ok(n)
                }
            });
            let mut findings = definition.findings(&names);
            findings.extend(look_alikes(
                server,
                name.as_ref().ok(),
                definition,
                &definitions,
                known,
            ));
            Shown {
                proposal: classify::propose(server, definition),
                name,
                definition: definition.clone(),
                findings,
            }
        })
        .collect();
    out.extend(surface::entries(seen));
    out
}

/// Names that differ only in what people do not see, on this server, and on others.
fn look_alikes(
    server: &Name,
    name: Option<&ToolName>,
    definition: &Definition,
    all: &[Definition],
    known: &[ToolRef],
) -> Option<Finding> {
    let name = name?;
    let skeleton = name.skeleton();
    let twin = all
        .iter()
        .filter(|d| d.raw_name != definition.raw_name)
        .find(|d| d.name().is_ok_and(|n| n.skeleton() == skeleton));
    if let Some(twin) = twin {
        let sentence = format!("`{name}` and `{}` of the same server look alike", twin.raw_name);
        return Some(Finding {
            code: "looks_like_another",
            sentence,
        });
    }
    let elsewhere = known.iter().find(|tool| {
        tool.server != *server && tool.tool.skeleton() == skeleton && !surface::is_surface(&tool.tool)
    })?;
    // The same plain name on two servers is ordinary for reading; for anything else one may stand in for the other.
    let reads = classify::propose(server, definition).is_some_and(|c| c.class == ToolClass::Read);
    (!reads || elsewhere.tool != *name).then(|| Finding {
        code: "looks_like_another",
        sentence: format!("`{name}` looks like `{elsewhere}`"),
    })
}

/// Compares what a server shows with the registry and quarantines what is new or changed. Silent when nothing is.
///
/// # Errors
/// [`Failure`] when it cannot be recorded; the registry is then as before.
pub async fn observe(app: &Arc<App>, server: &Name, seen: &Introspection) -> Result<(), Failure> {
    let world = app.world();
    let Some(entry) = world.registry.server(server) else {
        return Ok(());
    };
    let known: Vec<ToolRef> = world.registry.tools().map(|t| t.tool.name.clone()).collect();
    let mut changed = false;
    for shown in shown(server, seen, &known) {
        let Ok(name) = shown.name.clone() else { continue };
        let fingerprint = shown.definition.fingerprint();
        match entry.tools.get(&name) {
            Some(tool) if tool.tool.fingerprint == fingerprint => {}
            before => {
                note(app, server, &name, &shown, before.is_some()).await?;
                changed = true;
            }
        }
    }
    if changed {
        app.reload().await?;
    }
    Ok(())
}

/// Records one new or changed tool; it stays, or becomes, unusable until a person admits it.
async fn note(
    app: &Arc<App>,
    server: &Name,
    name: &ToolName,
    shown: &Shown,
    known: bool,
) -> Result<(), Failure> {
    let tool = ToolRef {
        server: server.clone(),
        tool: name.clone(),
    };
    let fingerprint = shown.definition.fingerprint();
    let mut record = record::of(if known { "tool.changed" } else { "tool.seen" });
    record.tool = Some(tool.to_string());
    record.detail.insert("fingerprint", fingerprint.to_string());
    let findings: Vec<Value> = shown
        .findings
        .iter()
        .map(|f| Value::from(f.sentence.as_str()))
        .collect();
    record.detail.insert("findings", findings);
    let classification = shown.classification();
    let definition = Value::Object(shown.definition.object.clone()).to_canonical();
    app.store
        .append(record, move |tx| {
            let stored = remit_store::tools::get(tx, &tool)?;
            remit_store::tools::keep_definition(tx, &tool, fingerprint, &definition)?;
            let registered = |state, admitted, classification: &Classification| RegisteredTool {
                tool: Tool {
                    name: tool.clone(),
                    fingerprint,
                    state,
                    classification: classification.clone(),
                },
                admitted,
            };
            match stored {
                None => {
                    remit_store::tools::add(tx, &registered(ToolState::Quarantined, None, &classification))?;
                }
                Some(mut before) => {
                    let (state, admitted) = (before.tool.state, before.admitted);
                    let kept = before.tool.classification.clone();
                    before.value = registered(state, admitted, &kept);
                    put(tx, &before)?;
                }
            }
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    Ok(())
}

fn put(tx: &mut remit_store::Tx<'_>, tool: &Stored<RegisteredTool>) -> Result<(), remit_store::ApplyError> {
    remit_store::tools::put(tx, tool)
}
