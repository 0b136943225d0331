//! Databases: a built-in MCP server for each, on the one way of every call. The statement decides which of its tools is
//! called, and so what policy is asked; it runs under a role of the task (or the shared account), and the password never
//! leaves us.

pub(crate) mod prepare;
pub mod register;
mod rights;
mod run;
pub(super) mod sessions;

pub(crate) use run::{Noted, run};

use remit_core::tool::ToolClass;

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
