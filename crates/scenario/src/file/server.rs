//! Stub MCP servers: their tools, and what they answer.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::Entries;
use super::setup::Revision;

/// A stub MCP server.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Server {
    /// The MCP revision it speaks. Default: `"2026-07-28"`.
    #[serde(default)]
    pub revision: Revision,
    /// What it tells every client about itself.
    #[serde(default)]
    pub instructions: Option<String>,
    /// Tool definitions, word for word as the server lists them (MCP `Tool`).
    #[serde(default)]
    pub tools: Vec<Map<String, Value>>,
    /// Resources (MCP `Resource`), each with the `text` it holds.
    #[serde(default)]
    pub resources: Vec<Map<String, Value>>,
    /// Prompts (MCP `Prompt`), each with the `text` it gives.
    #[serde(default)]
    pub prompts: Vec<Map<String, Value>>,
    /// What calls are answered, by tool: the first answer that fits counts. A tool without one answers `ok`.
    #[serde(default)]
    pub answers: Entries<Vec<Answer>>,
    /// Which tools a human admits before the first step: those the registry's rules propose (`proposed`, the default), or
    /// `all`.
    #[serde(default)]
    pub admit: Admit,
    /// Classes a human gives when admitting, by tool: `read`, `write`, `delete`, `transfer`, `exec`, `privilege`.
    #[serde(default)]
    pub classes: Entries<Class>,
    /// Tools a human marks irreversible when admitting; each needs its class in `classes`.
    #[serde(default)]
    pub irreversible: Vec<String>,
    /// One session may serve several tasks. Default: false.
    #[serde(default)]
    pub shareable: bool,
}

/// Which tools are admitted at the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Admit {
    /// Those whose class the rules propose.
    #[default]
    Proposed,
    /// All of them.
    All,
}

/// A tool class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Class {
    /// Looks, changes nothing.
    Read,
    /// Creates or changes.
    Write,
    /// Removes.
    Delete,
    /// Sends data or value to somebody else.
    Transfer,
    /// Runs code or commands.
    Exec,
    /// Changes who may do what.
    Privilege,
}

impl Class {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Transfer => "transfer",
            Self::Exec => "exec",
            Self::Privilege => "privilege",
        }
    }
}

/// One canned answer: when it fits, and exactly one of `text`, `result`, `tool_error`, `error`, `hang`, `crash`, `huge`.
#[derive(Clone, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Answer {
    /// Fits calls whose arguments contain these.
    #[serde(default)]
    pub with: Option<Map<String, Value>>,
    /// Fits the n-th call of this tool, counted from 1.
    #[serde(default)]
    pub nth: Option<u64>,
    /// Answers with this text.
    #[serde(default)]
    pub text: Option<String>,
    /// Answers with this result, word for word (MCP `CallToolResult`).
    #[serde(default)]
    pub result: Option<Map<String, Value>>,
    /// Answers with this text and `isError: true`.
    #[serde(default)]
    pub tool_error: Option<String>,
    /// Answers with a JSON-RPC error.
    #[serde(default)]
    pub error: Option<RpcFailure>,
    /// Never answers.
    #[serde(default)]
    pub hang: bool,
    /// Breaks the connection off without an answer.
    #[serde(default)]
    pub crash: bool,
    /// Answers with a text of this many bytes.
    #[serde(default)]
    pub huge: Option<u64>,
    /// Also writes these files in the scenario's folder, by name: an effect that `file` steps can look for.
    #[serde(default)]
    pub writes: Entries<String>,
}

/// A JSON-RPC error.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct RpcFailure {
    /// Its code.
    pub code: i64,
    /// Its message.
    pub message: String,
}
