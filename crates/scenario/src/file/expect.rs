//! What a step expects.

use serde::Deserialize;

use super::Texts;

/// What happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(crate) enum Expect {
    /// It happens. Of an act: it is accepted.
    Allow,
    /// It waits for people.
    Hold,
    /// It does not happen. Of an act: it is refused.
    Deny,
    /// It does not happen, because a tool waits for a person to look at it. Of an act: it puts a tool into quarantine.
    Quarantine,
    /// It happens, and people are told. Of an act: it reports findings.
    Flag,
    /// It does not happen, because the authority is gone. Of an act: it takes authority away.
    Revoke,
}

impl Expect {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
            Self::Quarantine => "quarantine",
            Self::Flag => "flag",
            Self::Revoke => "revoke",
        }
    }
}

/// What is expected of the answer to a call.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Answered {
    /// What happens.
    pub expect: Expect,
    /// The reason that must cause it, from the closed list of `docs/reasons.md`. Needed with `deny`, `quarantine` and
    /// `revoke`; `hold` without one means `approval_required`.
    #[serde(default)]
    pub reason: Option<String>,
    /// A rule that must be among those that determined it.
    #[serde(default)]
    pub rule: Option<String>,
    /// Who has to agree.
    #[serde(default)]
    pub tier: Option<Tier>,
    /// Text that the decision's message (or the error's) contains.
    #[serde(default)]
    pub message_contains: Texts,
    /// Text that the alternatives offered with a denial contain.
    #[serde(default)]
    pub instead_contains: Texts,
    /// The text of the answer, exactly.
    #[serde(default)]
    pub text: Option<String>,
    /// Text that the answer contains.
    #[serde(default)]
    pub text_contains: Texts,
    /// Text that the answer must not contain.
    #[serde(default)]
    pub text_lacks: Texts,
    /// It was allowed, and the server itself failed.
    #[serde(default)]
    pub fails: bool,
    /// How many requests for it reached the server because of this step. Default: 1 for `call`, `read` and `prompt` that are
    /// allowed, 0 for everything that is not allowed.
    #[serde(default)]
    pub reached: Option<usize>,
    /// HTTP status of the answer.
    #[serde(default)]
    pub status: Option<u16>,
    /// JSON-RPC error code of the answer.
    #[serde(default)]
    pub error_code: Option<i64>,
}

/// Who has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tier {
    /// Nobody.
    Auto,
    /// Nobody, but people are told.
    Notify,
    /// One human with the right role.
    Approve,
    /// Two distinct humans, neither of them the initiator.
    TwoPerson,
    /// Nobody can allow it.
    Never,
}

impl Tier {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Notify => "notify",
            Self::Approve => "approve",
            Self::TwoPerson => "two-person",
            Self::Never => "never",
        }
    }
}

/// What is expected of an act.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Acted {
    /// What happens. Default: `allow`.
    #[serde(default = "accepted")]
    pub expect: Expect,
    /// The error code that must cause a refusal.
    #[serde(default)]
    pub reason: Option<String>,
    /// Text that the message of a refusal contains.
    #[serde(default)]
    pub message_contains: Texts,
    /// Text that what comes back contains (read as JSON).
    #[serde(default)]
    pub output_contains: Texts,
    /// Text that what comes back must not contain.
    #[serde(default)]
    pub output_lacks: Texts,
}

/// Nothing but that an act is accepted.
pub(crate) static ACCEPTED: Acted = Acted {
    expect: Expect::Allow,
    reason: None,
    message_contains: Texts(Vec::new()),
    output_contains: Texts(Vec::new()),
    output_lacks: Texts(Vec::new()),
};

const fn accepted() -> Expect {
    Expect::Allow
}

/// What is expected of a list.
#[derive(Clone, Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(crate) struct Reading {
    /// `allow` (the default): a list comes back. `deny` or `revoke`: none does.
    #[serde(default = "accepted")]
    pub expect: Expect,
    /// The reason that must cause a refusal.
    #[serde(default)]
    pub reason: Option<String>,
    /// Text that the message of a refusal contains.
    #[serde(default)]
    pub message_contains: Texts,
    /// The names listed, exactly, in any order.
    #[serde(default)]
    pub names: Option<Vec<String>>,
    /// Names that are listed.
    #[serde(default)]
    pub includes: Vec<String>,
    /// Names that are not listed.
    #[serde(default)]
    pub excludes: Vec<String>,
    /// HTTP status of the answer.
    #[serde(default)]
    pub status: Option<u16>,
}
