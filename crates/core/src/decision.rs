//! Decisions: allow, hold or deny; tiers; and the closed list of reasons.

use std::fmt;

use crate::id::{ApprovalId, DecisionId};

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// It may happen now.
    Allow,
    /// It waits for people.
    Hold,
    /// It may not happen.
    Deny,
}

impl Effect {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Allow, Self::Hold, Self::Deny]
            .into_iter()
            .find(|effect| effect.as_str() == text)
    }
}

/// Who has to agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
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
    /// All tiers, loosest first.
    pub const ALL: [Self; 5] = [
        Self::Auto,
        Self::Notify,
        Self::Approve,
        Self::TwoPerson,
        Self::Never,
    ];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Notify => "notify",
            Self::Approve => "approve",
            Self::TwoPerson => "two-person",
            Self::Never => "never",
        }
    }

    /// The level that policy compares `context.approval.level` with: 0 auto, 1 notify, 2 approve, 3 two-person.
    #[must_use]
    pub const fn level(self) -> u8 {
        match self {
            Self::Auto => 0,
            Self::Notify => 1,
            Self::Approve => 2,
            Self::TwoPerson => 3,
            Self::Never => 4,
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $sentence:literal;)*) => {
        /// Why a decision is what it is: the closed list of `docs/reasons.md`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The machine code.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// One sentence for people, without the particulars.
            #[must_use]
            pub const fn sentence(self) -> &'static str {
                match self { $(Self::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    /// It is allowed.
    Permitted = "permitted", "the task allows it";
    /// The task does not hold this authority.
    OutOfAuthority = "out_of_authority", "the task does not allow this";
    /// People must agree first.
    ApprovalRequired = "approval_required", "a person has to approve this call";
    /// A person said no.
    ApprovalDenied = "approval_denied", "a person denied this call";
    /// Nobody answered in time.
    ApprovalExpired = "approval_expired", "nobody answered in time; this is not a no, ask again if it still matters";
    /// The facts changed while it was decided.
    StaleState = "stale_state", "the facts changed while this was decided; try again";
    /// The agent or its run may not act.
    ActorInvalid = "actor_invalid", "the agent or its run may not act";
    /// The token is not good.
    CredentialInvalid = "credential_invalid", "the token is not valid here";
    /// An argument is malformed or out of bounds.
    ParameterViolation = "parameter_violation", "an argument is malformed or outside its bounds";
    /// The same effect would happen twice.
    DuplicateSuppressed = "duplicate_suppressed", "this approved call was already used";
    /// A rule about the resource forbids it.
    ResourcePolicy = "resource_policy", "a rule forbids this";
    /// A budget is used up.
    QuotaExceeded = "quota_exceeded", "the task's budget for this is used up";
    /// A constraint cannot be checked here.
    ConstraintUnsupported = "constraint_unsupported", "a constraint on this call cannot be checked";
    /// The server or tool is not what was admitted.
    CapabilityDrift = "capability_drift", "the server is not the one that was admitted";
    /// No task is open for this token.
    NoTask = "no_task", "no task is open: nothing is allowed without one";
    /// The task ended.
    TaskEnded = "task_ended", "the task has ended and its authority with it";
    /// The task is suspended.
    TaskSuspended = "task_suspended", "the task is suspended";
    /// The tool waits for a person to look at it.
    ToolQuarantined = "tool_quarantined", "the tool is quarantined until a person admits it";
    /// The tool's definition changed.
    ToolChanged = "tool_changed", "the tool's definition changed since it was admitted";
    /// The data source is not classified.
    UnclassifiedSource = "unclassified_source", "the data source is not classified yet";
    /// A credential that is not ours.
    ForeignCredential = "foreign_credential", "the call carries a credential Remit did not issue";
    /// A freeze is on.
    Freeze = "freeze", "a freeze is on for this resource";
    /// Outside the task's window.
    OutsideWindow = "outside_window", "this is outside the task's window";
    /// Data would go somewhere the task does not name.
    DestinationNotAllowed = "destination_not_allowed", "the task does not name this destination";
    /// The upstream account must be connected again.
    NeedsReauth = "needs_reauth", "the upstream account has to be connected again";
    /// The call cannot be fully inspected.
    NotInspectable = "not_inspectable", "the call cannot be fully inspected";
    /// Remit or the upstream cannot answer.
    Unavailable = "unavailable", "no verdict could be reached; nothing was sent";
}

impl Reason {
    /// Reads the machine code.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|r| r.as_str() == text)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A decision as the agent, the record and people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Id; the decision record carries it.
    pub id: DecisionId,
    /// What was decided.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
    /// Who has to agree.
    pub tier: Tier,
    /// Ids of the rules that determined it, strictest first.
    pub rules: Vec<String>,
    /// Version of the policy that was evaluated.
    pub policy_version: String,
    /// One sentence with the particulars.
    pub message: String,
    /// What this task would allow instead.
    pub allowed_instead: Vec<String>,
    /// The approval it waits for.
    pub approval: Option<ApprovalId>,
}
