//! The top of a scenario file: everything that is there before the first step.

use serde::Deserialize;

use super::{Agent, Entries, Freeze, Human, Moment, Server, Span, Step, TaskSpec};

/// One scenario.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// Title: what is shown, in one line.
    pub scenario: String,
    /// What it is about, for readers.
    #[serde(default)]
    #[expect(dead_code, reason = "for readers of the file")]
    pub about: Option<String>,
    /// The real incident this replays, for example `I02`.
    #[serde(default)]
    pub incident: Option<String>,
    /// Ids of the requirements it shows, for example `[R42, R34]`.
    #[serde(default)]
    pub requirements: Vec<String>,
    /// What the clock shows before the first step. Default: `2026-01-05T09:00:00Z`, a Monday. Time then passes really and
    /// can be moved forward with `clock`.
    #[serde(default)]
    pub start: Option<Moment>,
    /// The MCP revision the agents speak. Default: `"2026-07-28"`.
    #[serde(default)]
    pub revision: Revision,
    /// How held calls wait for people.
    #[serde(default)]
    pub hold: Hold,
    /// Stub MCP servers by the name they are registered under.
    #[serde(default)]
    pub servers: Entries<Server>,
    /// HTTP hosts by name.
    #[serde(default)]
    pub hosts: Entries<Host>,
    /// Planted secrets by name. None of their values may ever reach a stub.
    #[serde(default)]
    pub secrets: Entries<Secret>,
    /// Humans by name.
    #[serde(default)]
    pub humans: Entries<Human>,
    /// Agents by name.
    #[serde(default)]
    pub agents: Entries<Agent>,
    /// Task templates by name, each the text of a template file (TOML).
    #[serde(default)]
    pub templates: Entries<String>,
    /// Policies of the organisation by file name (`rules.cedar`), each the text of a Cedar file.
    #[serde(default)]
    pub policies: Entries<String>,
    /// Freezes that are on before the first step.
    #[serde(default)]
    pub freezes: Vec<Freeze>,
    /// Tasks that are open before the first step, by a name for the steps, opened in this order.
    #[serde(default)]
    pub tasks: Entries<TaskSpec>,
    /// What happens, in this order.
    #[serde(skip)]
    pub steps: Vec<Step>,
}

/// An MCP revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(crate) enum Revision {
    /// Stateless requests with `_meta`.
    #[default]
    #[serde(rename = "2026-07-28")]
    Modern,
    /// `initialize` and a session.
    #[serde(rename = "2025-11-25")]
    Legacy,
}

impl Revision {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Legacy => "2025-11-25",
        }
    }
}

/// How held calls wait.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Hold {
    /// How long the agent's request stays open for an answer, in real time. Default: `0s`, so a held call is answered at
    /// once; give more when a step runs in the background.
    #[serde(default)]
    pub wait: Option<Span>,
    /// How long an approval stays open unanswered. Default: `24h`.
    #[serde(default)]
    pub window: Option<Span>,
}

/// An HTTP host.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    /// The system it is registered as; hosts of the same system share its description, in this order. Without one the host
    /// belongs to no system.
    #[serde(default)]
    pub system: Option<String>,
    /// The shipped description (`github`, `slack`, `http` …). Default: the one named like the system, else `http`.
    #[serde(default)]
    pub kind: Option<String>,
    /// A description of its own (TOML, `docs/systems.md`) instead.
    #[serde(default)]
    pub description: Option<String>,
    /// HTTP status of its answers. Default: 200.
    #[serde(default)]
    pub status: Option<u16>,
    /// What it answers to every request. Default: `{"ok":true}`.
    #[serde(default)]
    pub text: Option<String>,
}

/// A planted secret.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    /// Its value: at least 8 characters that appear nowhere else.
    pub value: String,
}
