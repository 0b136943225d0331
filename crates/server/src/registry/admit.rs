//! Admitting, retiring and comparing tools: what people decide about the registry.

use std::sync::Arc;

use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::tool::{Marks, ToolClass, ToolRef, ToolState};
use remit_store::{Epoch, Refused};

use crate::app::{App, Failure};
use crate::engine::record;

/// What a person says about tools they admit, where it differs from what the rules propose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said {
    /// The class.
    pub class: Option<ToolClass>,
    /// Cannot be undone.
    pub irreversible: Option<bool>,
}

/// Admits tools at the fingerprint last seen.
///
/// # Errors
/// [`Failure`] when one is unknown; none is admitted then.
pub async fn admit(
    app: &Arc<App>,
    tools: &[ToolRef],
    said: Option<Said>,
    by: &Name,
) -> Result<Vec<ToolRef>, Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    if tools.is_empty() {
        return Ok(Vec::new());
    }
    let mut detail = Object::new();
    detail.insert(
        "tools",
        tools
            .iter()
            .map(|t| Value::from(t.to_string()))
            .collect::<Vec<_>>(),
    );
    if let Some(class) = said.and_then(|s| s.class) {
        detail.insert("class", class.as_str());
    }
    let record = record::by_human("tool.admit", by, detail);
    let admitted = tools.to_vec();
    let by = by.clone();
    app.store
        .append(record, move |tx| {
            for name in &admitted {
                let Some(mut stored) = remit_store::tools::get(tx, name)? else {
                    return Err(Refused::NotFound {
                        what: "tools",
                        key: name.to_string(),
                    }
                    .into());
                };
                stored.tool.state = ToolState::Admitted;
                stored.admitted = Some(stored.tool.fingerprint);
                let classification = &mut stored.tool.classification;
                if let Some(said) = said {
                    if let Some(class) = said.class.filter(|class| *class != classification.class) {
                        classification.class = class;
                        classification.because = format!("{by} said so");
                    }
                    let irreversible = said.irreversible.unwrap_or(classification.marks.irreversible);
                    classification.marks = Marks {
                        irreversible,
                        ..classification.marks
                    };
                }
                remit_store::tools::put(tx, &stored)?;
            }
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(tools.to_vec())
}

/// Every tool of a server that is not usable now.
#[must_use]
pub fn waiting(app: &App, server: &Name) -> Vec<ToolRef> {
    let world = app.world();
    let tools = world
        .registry
        .server(server)
        .map(|entry| entry.tools.values().cloned().collect::<Vec<_>>());
    tools
        .unwrap_or_default()
        .iter()
        .filter(|tool| !tool.is_callable())
        .map(|tool| tool.tool.name.clone())
        .collect()
}

/// Retires tools: nobody can call them until they are admitted again.
///
/// # Errors
/// [`Failure`] when one is unknown; none is retired then.
pub async fn retire(app: &Arc<App>, tools: &[ToolRef], by: &Name) -> Result<(), Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    let mut detail = Object::new();
    detail.insert(
        "tools",
        tools
            .iter()
            .map(|t| Value::from(t.to_string()))
            .collect::<Vec<_>>(),
    );
    let record = record::by_human("tool.retire", by, detail);
    let retired = tools.to_vec();
    app.store
        .append_urgent(record, move |tx| {
            for name in &retired {
                let Some(mut stored) = remit_store::tools::get(tx, name)? else {
                    return Err(Refused::NotFound {
                        what: "tools",
                        key: name.to_string(),
                    }
                    .into());
                };
                stored.tool.state = ToolState::Retired;
                remit_store::tools::put(tx, &stored)?;
            }
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(())
}

/// An admitted and a last seen definition, and their difference line by line.
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// The definition that was admitted.
    pub admitted: Option<Value>,
    /// The definition last seen.
    pub seen: Option<Value>,
    /// ` ` same, `-` only admitted, `+` only seen.
    pub lines: Vec<String>,
}

/// Compares what was admitted with what was last seen.
///
/// # Errors
/// [`Failure::NotFound`] when the tool is unknown.
pub async fn diff(app: &App, tool: &ToolRef) -> Result<Difference, Failure> {
    let name = tool.clone();
    let (admitted, seen) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let stored = remit_store::tools::get(conn, &name)?.ok_or_else(|| {
                Failure::NotFound(format!("no tool `{name}` is known: see `remit tools ls`"))
            })?;
            let mut read = |digest| -> Result<Option<Value>, Failure> {
                let kept = remit_store::tools::definition(conn, &name, digest)?;
                Ok(kept.and_then(|k| {
                    remit_core::json::parse(&k.definition, &remit_core::json::Bounds::RESPONSE).ok()
                }))
            };
            let admitted = stored.admitted.map(&mut read).transpose()?.flatten();
            let seen = read(stored.tool.fingerprint)?;
            Ok((admitted, seen))
        })
        .await?;
    let lines = |value: &Option<Value>| value.as_ref().map_or_else(Vec::new, outline);
    let lines = compare(&lines(&admitted), &lines(&seen));
    Ok(Difference {
        admitted,
        seen,
        lines,
    })
}

/// One line per leaf of a definition, `pointer: value`, in canonical order, escaped for terminals.
fn outline(value: &Value) -> Vec<String> {
    fn walk(at: &str, value: &Value, out: &mut Vec<String>) {
        match value {
            Value::Object(object) if !object.is_empty() => {
                object
                    .iter()
                    .for_each(|(key, member)| walk(&format!("{at}/{key}"), member, out));
            }
            Value::Array(items) if !items.is_empty() => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(index, item)| walk(&format!("{at}/{index}"), item, out));
            }
            leaf => out.push(crate::approvals::card::escape(&format!("{at}: {leaf}"))),
        }
    }
    let mut out = Vec::new();
    walk("", value, &mut out);
    out
}

/// Both outlines merged: they are sorted alike, so a merge by pointer is enough.
fn compare(before: &[String], after: &[String]) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(
        before
            .iter()
            .filter(|line| !after.contains(line))
            .map(|line| format!("- {line}")),
    );
    lines.extend(
        after
            .iter()
            .filter(|line| !before.contains(line))
            .map(|line| format!("+ {line}")),
    );
    lines
}
