//! Agents and humans: who acts, who answers for it, and what people may do.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use crate::authority::Authority;
use crate::name::Name;

/// Where an agent or a human stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// May act.
    Active,
    /// May not act for now.
    Suspended,
    /// Will not act again.
    Retired,
}

impl Standing {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Retired => "retired",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Suspended, Self::Retired]
            .into_iter()
            .find(|s| s.as_str() == text)
    }
}

/// A registered non-human identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Agent {
    /// Its name.
    pub name: Name,
    /// The human who answers for it.
    pub owner: Name,
    /// Who answers when the owner cannot.
    pub backup_owner: Option<Name>,
    /// What it is for.
    pub purpose: String,
    /// The most it may ever hold.
    pub ceiling: Authority,
    /// Its standing.
    pub standing: Standing,
}

/// What a human may do in Remit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Opens tasks.
    Initiator,
    /// Decides held calls.
    Approver,
    /// Reads evidence.
    Auditor,
    /// Changes registry, policy and people.
    Administrator,
    /// A named approver group, for `@approvers("…")`.
    Group(Name),
}

impl FromStr for Role {
    type Err = crate::name::BadName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "initiator" => Self::Initiator,
            "approver" => Self::Approver,
            "auditor" => Self::Auditor,
            "administrator" => Self::Administrator,
            other => Self::Group(other.parse()?),
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Initiator => f.write_str("initiator"),
            Self::Approver => f.write_str("approver"),
            Self::Auditor => f.write_str("auditor"),
            Self::Administrator => f.write_str("administrator"),
            Self::Group(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What kind of initiator it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A person.
    #[default]
    Human,
    /// A system that opens tasks by itself: a scheduler, a pipeline. It decides nothing.
    System,
    /// A system through which strangers open tasks: a webhook, a public repository. What it opens is held to the
    /// shipped template `public`.
    Stranger,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Human, Self::System, Self::Stranger];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::System => "system",
            Self::Stranger => "stranger",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A person, or a system that opens tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct Human {
    /// Name.
    pub name: Name,
    /// Whether it is one.
    pub kind: Kind,
    /// Roles and groups.
    pub roles: BTreeSet<Role>,
    /// Their own rights: no task they open holds more. `None` = not limited below the guardrails.
    pub authority: Option<Authority>,
    /// Standing.
    pub standing: Standing,
}

impl Human {
    /// True when the human is active and holds `role`.
    #[must_use]
    pub fn may(&self, role: &Role) -> bool {
        self.standing == Standing::Active && self.roles.contains(role)
    }
}
