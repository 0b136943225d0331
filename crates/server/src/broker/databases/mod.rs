//! Databases: a built-in MCP server for each, on the one way of every call. The statement decides which of its tools is
//! called, and so what policy is asked; it runs under a role of the task (or the shared account), and the password never
//! leaves us.

pub(crate) mod prepare;
pub mod register;
mod rights;
mod run;
pub(super) mod sessions;

pub(crate) use run::{Noted, run};

use std::sync::Arc;

use remit_core::lease::Lease;
use remit_core::name::Name;
use remit_core::tool::ToolClass;

use crate::app::{App, Failure};
use crate::engine::live::Live;

/// Issues a role to a task, as its first statement would; it ends with the task.
///
/// # Errors
/// [`Failure`] when the server refuses or is away, or the task is not open.
pub async fn issue(app: &Arc<App>, live: &Arc<Live>, database: &Name) -> Result<Lease, Failure> {
    let held = rights::Held::of(&live.snapshot().task.authority, database);
    let (lease, _password) = sessions::issue(app, live, database, &held).await?;
    Ok(lease)
}

/// The argument that carries the statement.
pub(crate) const STATEMENT: &str = "sql";

/// The tools, by the class of statement each stands for.
pub(crate) const TOOLS: [(&str, ToolClass); 4] = [
    ("db.query", ToolClass::Read),
    ("db.write", ToolClass::Write),
    ("db.delete", ToolClass::Delete),
    ("db.define", ToolClass::Privilege),
];

/// The tool that statements of a class are judged as.
pub(crate) fn tool_of(class: ToolClass) -> Option<&'static str> {
    TOOLS.iter().find(|(_, of)| *of == class).map(|(name, _)| *name)
}
