//! Everything a decision depends on, in one struct without defaults: a missing fact does not compile.

use remit_core::approval::Requirement;
use remit_core::authority::Budget;
use remit_core::call::Call;
use remit_core::confinement::Proof;
use remit_core::destination::Destination;
use remit_core::digest::Digest;
use remit_core::label::Labels;
use remit_core::resource::Resource;
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, ToolState};

use crate::principal::Principal;

/// The facts of one call at one moment. All of them come from one snapshot of the state, whose version the append expects.
#[derive(Clone, Debug)]
pub struct Facts<'a> {
    /// The call: server, operation, arguments, what it touches.
    pub call: &'a Call,
    /// `call.digest()`. The permit's mint compares it again with the call it lets out.
    pub digest: Digest,
    /// Who acts, for which task.
    pub principal: &'a Principal,
    /// What the registry says about the tool; `None` for operations that are not tools.
    pub tool: Option<ToolFacts<'a>>,
    /// Systems' environments, as configured: `production`, `staging` …; a system that is not listed is `unknown`.
    pub environments: &'a dyn Environments,
    /// Labels the run carries.
    pub labels: &'a Labels,
    /// Destinations of the call that are neither the task's nor otherwise known to be good.
    pub unknown_destinations: &'a [Destination],
    /// Roots that are frozen now.
    pub frozen: &'a [Resource],
    /// Budgets this call would overrun.
    pub exhausted: &'a [Overrun],
    /// Calls this task has made so far.
    pub calls_made: u64,
    /// How the call proves which run it comes from.
    pub proof: Proof,
    /// Whatever the server of the call does over the network passes Remit too: see `docs/policy.md`.
    pub contained: bool,
    /// First, repeated, or out of the ordinary.
    pub origin: Origin,
    /// Parts of the risk score.
    pub risk: Risk,
    /// A resource or destination of the call cannot be seen by policy: see [`crate::salient_opaque`].
    pub salient_opaque: bool,
    /// Now.
    pub now: Timestamp,
    /// Local time minus UTC, in minutes: for hours and weekdays in rules.
    pub utc_offset_minutes: i32,
    /// The approval or grant that is being redeemed.
    pub approval: Option<Given<'a>>,
}

/// What the registry says about the tool called.
#[derive(Clone, Copy, Debug)]
pub struct ToolFacts<'a> {
    /// Class, marks, meanings of arguments, labels.
    pub classification: &'a Classification,
    /// Where it stands.
    pub state: ToolState,
}

/// A budget that a call would overrun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overrun {
    /// The budget.
    pub budget: Budget,
    /// The most there is.
    pub max: u64,
    /// What is used, or kept for calls that are under way.
    pub used: u64,
    /// What the call would take; [`u64::MAX`] where that cannot be told.
    pub asked: u64,
    /// It is the task's own: a person may let one call go beyond it. Nobody below lifts what a ceiling or the rights of the
    /// initiator say.
    pub liftable: bool,
}

impl std::fmt::Display for Overrun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (budget, used, max) = (crate::context::budget(&self.budget), self.used, self.max);
        write!(f, "{budget}: {used} of {max} used, ")?;
        if self.asked == u64::MAX {
            f.write_str("and how much this asks cannot be told")
        } else {
            write!(f, "{} more asked", self.asked)
        }
    }
}

/// What was approved: the requirement people met, and the rules that had asked for it, as they were stored.
#[derive(Clone, Copy, Debug)]
pub struct Given<'a> {
    /// Tier, approver sets, strength.
    pub requirement: &'a Requirement,
    /// [`crate::RuleRef`] texts: id and content digest.
    pub rules: &'a [String],
}

/// Where a call comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Origin {
    /// A new call.
    Initial,
    /// The same call again, whose earlier attempt has no final outcome or is named.
    Retry,
    /// From a place or in a way the run does not usually call.
    Anomaly,
}

impl Origin {
    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Retry => "retry",
            Self::Anomaly => "anomaly",
        }
    }
}

/// Parts of the risk score, each 0 to 25 points; their sum is the score (0 to 100).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Risk {
    /// How new this tool or object is to this agent.
    pub novelty: u8,
    /// How much the class and marks can break.
    pub class: u8,
    /// What the labels of the run say.
    pub label: u8,
    /// How much this is compared with what the task usually does.
    pub volume: u8,
}

impl Risk {
    /// The sum of the parts.
    #[must_use]
    pub fn score(self) -> u16 {
        [self.novelty, self.class, self.label, self.volume]
            .into_iter()
            .map(u16::from)
            .sum()
    }
}

/// The environment each system belongs to.
pub trait Environments: std::fmt::Debug {
    /// `production`, `staging` …; `unknown` when nobody said.
    fn of(&self, resource: &Resource) -> &str;
}

/// Nobody said anything about environments.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoEnvironments;

impl Environments for NoEnvironments {
    fn of(&self, _: &Resource) -> &str {
        "unknown"
    }
}
