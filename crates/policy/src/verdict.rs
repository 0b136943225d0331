//! Verdicts: what was decided, by which rules, and what people would have to do.

use remit_core::approval::Requirement;
use remit_core::decision::{Effect, Reason, Tier};
use remit_core::digest::Digest;

use crate::redeem::Wider;
use crate::rule::RuleRef;

/// The answer to one call.
#[derive(Debug)]
pub enum Verdict {
    /// It may happen now.
    Allow(Allow),
    /// It waits for people.
    Hold(Hold),
    /// It may not happen.
    Deny(Denial),
}

/// Proof, as a value, that policy allows one call. Only [`crate::Bundle::decide`] makes one.
#[derive(Debug)]
pub struct Allow {
    pub(crate) call: Digest,
    pub(crate) tier: Tier,
    pub(crate) rules: Vec<RuleRef>,
    pub(crate) required: Option<Requirement>,
    pub(crate) policy_version: Digest,
}

impl Allow {
    /// Digest of the call that was decided.
    #[must_use]
    pub const fn call(&self) -> Digest {
        self.call
    }

    /// `Auto`, `Notify` (tell people), or the tier of the approval that was redeemed.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        self.tier
    }

    /// The level of approval that was used: 0 when none was needed.
    #[must_use]
    pub const fn level_used(&self) -> u8 {
        if self.required.is_some() {
            self.tier.level()
        } else {
            0
        }
    }

    /// Rules that fell away, strictest layer first, then a permit for each resource.
    #[must_use]
    pub fn rules(&self) -> &[RuleRef] {
        &self.rules
    }

    /// What had to be approved; `None` when the redeemed approval, if any, was not needed.
    #[must_use]
    pub const fn required(&self) -> Option<&Requirement> {
        self.required.as_ref()
    }

    /// Version of the policy that allowed it.
    #[must_use]
    pub const fn policy_version(&self) -> Digest {
        self.policy_version
    }
}

/// What has to happen before the call may.
#[derive(Debug)]
pub struct Hold {
    /// Tier, approver sets, whether weak verdicts count.
    pub requirement: Requirement,
    /// The rules that ask, strictest layer first: these texts are stored with the approval and given back in [`crate::Given`].
    pub rules: Vec<RuleRef>,
    /// One sentence for the agent and the card.
    pub message: String,
    /// Set when an approval was redeemed and this call is wider than its card.
    pub wider: Option<Wider>,
    /// Version of the policy.
    pub policy_version: Digest,
}

/// Why not.
#[derive(Debug)]
pub struct Denial {
    /// Machine reason.
    pub reason: Reason,
    /// The rules that refused, strictest layer first; empty when nothing permitted it.
    pub rules: Vec<RuleRef>,
    /// One sentence with the particulars.
    pub message: String,
    /// What of the task would be allowed instead.
    pub allowed_instead: Vec<String>,
    /// Version of the policy.
    pub policy_version: Digest,
}

impl Verdict {
    /// Allow, hold or deny.
    #[must_use]
    pub const fn effect(&self) -> Effect {
        match self {
            Self::Allow(_) => Effect::Allow,
            Self::Hold(_) => Effect::Hold,
            Self::Deny(_) => Effect::Deny,
        }
    }

    /// The machine reason.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        match self {
            Self::Allow(_) => Reason::Permitted,
            Self::Hold(_) => Reason::ApprovalRequired,
            Self::Deny(denial) => denial.reason,
        }
    }

    /// Who has to agree, or had to.
    #[must_use]
    pub const fn tier(&self) -> Tier {
        match self {
            Self::Allow(allow) => allow.tier,
            Self::Hold(hold) => hold.requirement.tier,
            Self::Deny(_) => Tier::Never,
        }
    }

    /// The rules that determined it, strictest layer first.
    #[must_use]
    pub fn rules(&self) -> &[RuleRef] {
        match self {
            Self::Allow(allow) => &allow.rules,
            Self::Hold(hold) => &hold.rules,
            Self::Deny(denial) => &denial.rules,
        }
    }

    /// One sentence with the particulars.
    #[must_use]
    pub fn message(&self) -> &str {
        match self {
            Self::Allow(_) => Reason::Permitted.sentence(),
            Self::Hold(hold) => &hold.message,
            Self::Deny(denial) => &denial.message,
        }
    }

    /// Version of the policy that was evaluated.
    #[must_use]
    pub const fn policy_version(&self) -> Digest {
        match self {
            Self::Allow(allow) => allow.policy_version,
            Self::Hold(hold) => hold.policy_version,
            Self::Deny(denial) => denial.policy_version,
        }
    }
}
