//! Humans, agents, tasks and freezes of a scenario.

use serde::Deserialize;

use super::{Entries, Moment, Span};

/// A human.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Human {
    /// Roles (`initiator`, `approver`, `auditor`, `administrator`) and names of approver groups.
    pub roles: Vec<String>,
    /// `human` (the default), `system`, or `stranger`: a system through which outsiders open tasks.
    #[serde(default)]
    pub kind: Kind,
    /// Their own rights: no task they open holds more. Default: not limited below the guardrails.
    #[serde(default)]
    pub rights: Option<Limits>,
}

/// What kind of initiator.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    /// A person.
    #[default]
    Human,
    /// A system that opens tasks.
    System,
    /// A system through which strangers open tasks.
    Stranger,
}

impl Kind {
    pub(crate) const fn as_core(self) -> remit_core::people::Kind {
        use remit_core::people::Kind as Core;
        match self {
            Self::Human => Core::Human,
            Self::System => Core::System,
            Self::Stranger => Core::Stranger,
        }
    }
}

/// The most somebody may ever hold; what is not named is not limited.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Limits {
    /// Tools: `server/tool`, `server/*`, `server:read`.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Roots: `<system>:<path>`.
    #[serde(default)]
    pub resources: Vec<String>,
}

/// An agent.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Agent {
    /// The human who answers for it.
    pub owner: String,
    /// Who answers when the owner cannot.
    #[serde(default)]
    pub backup_owner: Option<String>,
    /// What it is for.
    #[serde(default)]
    pub purpose: Option<String>,
    /// The most it may ever hold. Default: no ceiling beyond policy.
    #[serde(default)]
    pub ceiling: Option<Limits>,
}

/// A task to be opened.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct TaskSpec {
    /// The agent that works on it.
    pub agent: String,
    /// The human who opens it: its initiator.
    pub by: String,
    /// What shall be reached.
    pub intent: String,
    /// What it is for.
    #[serde(default)]
    pub purpose: Option<String>,
    /// The template it is opened from.
    #[serde(default)]
    pub template: Option<String>,
    /// Values of the template's parameters.
    #[serde(default)]
    pub set: Entries<String>,
    /// Tools it may use: `server/tool`, `server/*`, `server:read`.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Roots of what it may touch: `<system>:<path>`.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Places data may go to without asking: `person:mum`, `mail:a@b.example`, `https://host`.
    #[serde(default)]
    pub destinations: Vec<String>,
    /// How long it may last. Default: one hour.
    #[serde(default)]
    pub ttl: Option<Span>,
    /// `assist`, `execute` (the default) or `coordinate`.
    #[serde(default)]
    pub mode: Option<Mode>,
    /// The task it is delegated from.
    #[serde(default)]
    pub parent: Option<String>,
    /// How many delegations may hang below it. Default: what the template says, else none.
    #[serde(default)]
    pub depth: Option<u8>,
    /// How many tasks may be delegated from it and live at the same time. Default: 10 where there is depth.
    #[serde(default, rename = "fan out")]
    pub fan_out: Option<u16>,
    /// A sign of life is due this often; two missed end it.
    #[serde(default)]
    pub heartbeat: Option<Span>,
    /// It ends without a call for this long.
    #[serde(default)]
    pub idle: Option<Span>,
    /// No renewal goes beyond this, counted from its opening.
    #[serde(default, rename = "max life")]
    pub max_life: Option<Span>,
    /// How well the run is shut in; it is attested as this. Default: `own-uid`.
    #[serde(default)]
    pub confinement: Option<Confinement>,
}

/// How a run acts.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// Proposes; no side effects.
    Assist,
    /// Acts.
    Execute,
    /// Delegates only.
    Coordinate,
}

impl Mode {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Assist => "assist",
            Self::Execute => "execute",
            Self::Coordinate => "coordinate",
        }
    }
}

/// How well a run is shut in.
#[derive(Clone, Copy, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Confinement {
    /// Not at all: verdicts given on this machine count as weak.
    None,
    /// Landlock denies our data, keys and sockets.
    Landlock,
    /// A user id of its own.
    OwnUid,
    /// A network namespace of its own.
    Netns,
}

impl Confinement {
    pub(crate) const fn as_core(self) -> remit_core::confinement::Confinement {
        use remit_core::confinement::Confinement as Core;
        match self {
            Self::None => Core::None,
            Self::Landlock => Core::Landlock,
            Self::OwnUid => Core::OwnUid,
            Self::Netns => Core::Netns,
        }
    }
}

/// A freeze: nothing below a resource may change until a moment.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Freeze {
    /// The root: `<system>:<path>`.
    pub resource: String,
    /// When it ends; give this or `for`.
    #[serde(default)]
    pub until: Option<Moment>,
    /// How long it lasts.
    #[serde(default, rename = "for")]
    pub lasts: Option<Span>,
    /// Why, for people.
    #[serde(default)]
    pub because: Option<String>,
    /// Who places it. Default: the owner of the installation.
    #[serde(default)]
    pub by: Option<String>,
}
