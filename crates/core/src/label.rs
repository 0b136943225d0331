//! Labels: sensitivity or provenance on sources, fields, objects and runs.

use std::collections::BTreeSet;

use crate::name::Name;

/// One label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Not for everybody.
    Confidential,
    /// Keys, tokens, credentials.
    Secret,
    /// About a person.
    Personal,
    /// Written by somebody outside.
    Untrusted,
    /// Belongs to one tenant.
    Tenant(Name),
}

/// A set of labels; it only grows while a run lives.
pub type Labels = BTreeSet<Label>;

impl Label {
    /// Text form: `confidential`, `secret`, `personal`, `untrusted`, `tenant:x`.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Confidential => "confidential".to_owned(),
            Self::Secret => "secret".to_owned(),
            Self::Personal => "personal".to_owned(),
            Self::Untrusted => "untrusted".to_owned(),
            Self::Tenant(name) => format!("tenant:{name}"),
        }
    }

    /// Reads the text form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "confidential" => Some(Self::Confidential),
            "secret" => Some(Self::Secret),
            "personal" => Some(Self::Personal),
            "untrusted" => Some(Self::Untrusted),
            other => other.strip_prefix("tenant:")?.parse().ok().map(Self::Tenant),
        }
    }
}
