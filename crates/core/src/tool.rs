//! Tools: class, marks, what their arguments mean, and the states of the tool registry.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::destination::DestinationKind;
use crate::digest::Digest;
use crate::label::Labels;
use crate::name::{Name, ToolName};

/// What a tool does to the world, mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolClass {
    /// Looks, changes nothing.
    Read,
    /// Creates or changes objects inside a system.
    Write,
    /// Removes objects.
    Delete,
    /// Sends data or value to somebody else.
    Transfer,
    /// Runs code or commands.
    Exec,
    /// Changes who may do what, or what is recorded.
    Privilege,
}

impl ToolClass {
    /// All classes, mildest first.
    pub const ALL: [Self; 6] = [
        Self::Read,
        Self::Write,
        Self::Delete,
        Self::Transfer,
        Self::Exec,
        Self::Privilege,
    ];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
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

/// A word that is not a tool class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tool class: use read, write, delete, transfer, exec or privilege")]
pub struct BadClass(pub String);

impl FromStr for ToolClass {
    type Err = BadClass;

    fn from_str(text: &str) -> Result<Self, BadClass> {
        Self::ALL
            .into_iter()
            .find(|c| c.as_str() == text)
            .ok_or_else(|| BadClass(text.to_owned()))
    }
}

impl fmt::Display for ToolClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What makes a tool worse than its class says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Marks {
    /// Cannot be undone: destroys backups, publishes, pays, mails out.
    pub irreversible: bool,
    /// Returns a credential.
    pub mints: bool,
}

/// A tool as everybody names it: `server/tool`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolRef {
    /// The registered server.
    pub server: Name,
    /// The tool's own name.
    pub tool: ToolName,
}

impl fmt::Display for ToolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.server, self.tool)
    }
}

impl fmt::Debug for ToolRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not `server/tool`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a tool: write `server/tool`")]
pub struct BadToolRef(pub String);

impl FromStr for ToolRef {
    type Err = BadToolRef;

    fn from_str(text: &str) -> Result<Self, BadToolRef> {
        let bad = || BadToolRef(text.chars().take(160).flat_map(char::escape_debug).collect());
        let (server, tool) = text.split_once('/').ok_or_else(bad)?;
        Ok(Self {
            server: server.parse().map_err(|_| bad())?,
            tool: tool.parse().map_err(|_| bad())?,
        })
    }
}

/// What an argument of a tool means, found by JSON Pointer (RFC 6901); `*` as a segment stands for every element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArgumentRole {
    /// The argument is a path inside `system`.
    Resource {
        /// The system its value belongs to.
        system: Name,
    },
    /// The argument says where data goes.
    Destination {
        /// What sort of place.
        kind: DestinationKind,
    },
    /// The argument is a quantity that counts against a sum budget.
    Amount,
    /// The argument carries the payload; shown on cards, never matched.
    Content,
}

/// One argument and its meaning.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArgumentRule {
    /// JSON Pointer into the arguments.
    pub pointer: String,
    /// What it means.
    pub role: ArgumentRole,
}

/// What a person or a rule has said about a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Class.
    pub class: ToolClass,
    /// Marks.
    pub marks: Marks,
    /// Meanings of arguments; arguments not named here are plain data.
    pub arguments: Vec<ArgumentRule>,
    /// Upper bound of the labels its answers carry.
    pub labels: Labels,
    /// Which rule or person proposed it, for people to read.
    pub because: String,
}

/// Where a tool stands in the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ToolState {
    /// Seen, not usable until a person admits it.
    Quarantined,
    /// Usable by tasks that name it.
    Admitted,
    /// Not usable any more.
    Retired,
}

impl ToolState {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quarantined => "quarantined",
            Self::Admitted => "admitted",
            Self::Retired => "retired",
        }
    }
}

/// A registered tool as decisions see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// `server/tool`.
    pub name: ToolRef,
    /// Digest over name, title, description, schemas, annotations, icons and `_meta`.
    pub fingerprint: Digest,
    /// Registry state.
    pub state: ToolState,
    /// What was said about it.
    pub classification: Classification,
}

/// The set of tool classes.
pub type Classes = BTreeSet<ToolClass>;
