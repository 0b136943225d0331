//! Approvals and grants: verdicts by people, bound to one stored call or to a bounded form of it.

use std::collections::BTreeSet;

use crate::confinement::Proof;
use crate::decision::Tier;
use crate::digest::Digest;
use crate::id::{ApprovalId, CallId, GrantId, RunId, TaskId};
use crate::json::Value;
use crate::name::Name;
use crate::people::{Human, Role};
use crate::time::Timestamp;
use crate::tool::ToolRef;

/// What people have to do before a held call may happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Strictest tier of the determining rules.
    pub tier: Tier,
    /// One set per determining rule, any role of it suffices; every set needs a vote.
    pub approvers: Vec<BTreeSet<Role>>,
    /// A verdict through a channel the run itself could reach does not count.
    pub strong: bool,
}

/// What one person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Deny,
}

/// One person's verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// Who.
    pub human: Name,
    /// The roles counted, as they stood at the vote.
    pub roles: BTreeSet<Role>,
    /// What they said.
    pub verdict: Verdict,
    /// Words for the agent; may be empty.
    pub note: String,
    /// When.
    pub at: Timestamp,
    /// Given through a channel the run's own user could reach.
    pub weak: bool,
}

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApprovalState {
    /// Waits for people.
    Pending,
    /// People agreed; not spent yet.
    Approved,
    /// Spent: the stored call was sent, or may have been.
    Spent,
    /// A person said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Its task ended, or the call was given up.
    Cancelled,
}

impl ApprovalState {
    /// All states.
    pub const ALL: [Self; 6] = [
        Self::Pending,
        Self::Approved,
        Self::Spent,
        Self::Denied,
        Self::Expired,
        Self::Cancelled,
    ];

    /// The word used everywhere.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Spent => "spent",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// True when nothing can change it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Approved)
    }
}

/// A call that waits, and what people said about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// Id.
    pub id: ApprovalId,
    /// The stored call.
    pub call: CallId,
    /// Digest of the stored call.
    pub digest: Digest,
    /// Task.
    pub task: TaskId,
    /// Run.
    pub run: RunId,
    /// Who opened the task: never counts for two-person.
    pub initiator: Name,
    /// The tool, when the call is one.
    pub tool: Option<ToolRef>,
    /// What people have to do.
    pub requirement: Requirement,
    /// Ids and content digest of the rules that asked for it.
    pub rules: Vec<String>,
    /// Hash of the card as it was rendered.
    pub card: Digest,
    /// Verdicts so far, oldest first.
    pub votes: Vec<Vote>,
    /// Where it stands.
    pub state: ApprovalState,
    /// How the request that asked proved its run: its one execution is decided with the same.
    pub proof: Proof,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// When it stops waiting.
    pub expires_at: Timestamp,
}

/// A verdict that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotVote {
    /// It is not waiting any more.
    #[error("this approval is already {state}{by}")]
    NotPending {
        /// The state it is in.
        state: &'static str,
        /// ` by NAME`, when a person decided it.
        by: String,
    },
    /// The person holds none of the roles.
    #[error("{human} may not decide this: it needs {needed}")]
    NotAnApprover {
        /// Who tried.
        human: Name,
        /// The roles that would do.
        needed: String,
    },
    /// The person opened the task.
    #[error("{human} opened this task: a two-person approval needs two other people")]
    IsInitiator {
        /// Who tried.
        human: Name,
    },
    /// The person voted before.
    #[error("{human} has already approved this: a second person has to")]
    Again {
        /// Who tried.
        human: Name,
    },
    /// The channel can be reached by the run.
    #[error(
        "this channel can be reached by the run itself, so a verdict given here is weak, and this call needs a strong one: confine the run or approve from another account"
    )]
    Weak,
    /// Too late.
    #[error("this approval expired unanswered")]
    Expired,
}

impl Approval {
    /// Takes one verdict; a denial ends it, agreement moves it to approved once everyone needed has agreed.
    ///
    /// # Errors
    /// [`CannotVote`] says why the verdict does not count; the approval is then unchanged.
    pub fn vote(
        &mut self,
        human: &Human,
        verdict: Verdict,
        note: String,
        now: Timestamp,
        weak: bool,
    ) -> Result<(), CannotVote> {
        if self.state != ApprovalState::Pending {
            let by = self
                .votes
                .last()
                .map_or_else(String::new, |v| format!(" by {}", v.human));
            return Err(CannotVote::NotPending {
                state: self.state.as_str(),
                by,
            });
        }
        if now >= self.expires_at {
            return Err(CannotVote::Expired);
        }
        let roles: BTreeSet<Role> = human.roles.iter().filter(|r| self.counts(r)).cloned().collect();
        if !human.may_decide() || roles.is_empty() {
            return Err(CannotVote::NotAnApprover {
                human: human.name.clone(),
                needed: self.needed(),
            });
        }
        if verdict == Verdict::Approve {
            if self.requirement.tier == Tier::TwoPerson && human.name == self.initiator {
                return Err(CannotVote::IsInitiator {
                    human: human.name.clone(),
                });
            }
            if weak && (self.requirement.strong || self.requirement.tier == Tier::TwoPerson) {
                return Err(CannotVote::Weak);
            }
            if self.votes.iter().any(|v| v.human == human.name) {
                return Err(CannotVote::Again {
                    human: human.name.clone(),
                });
            }
        }
        self.votes.push(Vote {
            human: human.name.clone(),
            roles,
            verdict,
            note,
            at: now,
            weak,
        });
        if verdict == Verdict::Deny {
            self.state = ApprovalState::Denied;
        } else if self.is_agreed() {
            self.state = ApprovalState::Approved;
        }
        Ok(())
    }

    /// The level policy sees in `context.approval.level` when this approval is redeemed.
    #[must_use]
    pub fn level(&self) -> u8 {
        if self.state == ApprovalState::Approved {
            self.requirement.tier.level()
        } else {
            0
        }
    }

    fn counts(&self, role: &Role) -> bool {
        self.requirement.approvers.iter().any(|set| set.contains(role))
    }

    fn is_agreed(&self) -> bool {
        let yes: Vec<&Vote> = self
            .votes
            .iter()
            .filter(|v| v.verdict == Verdict::Approve)
            .collect();
        let people: BTreeSet<&Name> = yes.iter().map(|v| &v.human).collect();
        let needed = if self.requirement.tier == Tier::TwoPerson {
            2
        } else {
            1
        };
        let every_set = self.requirement.approvers.iter().all(|set| {
            yes.iter()
                .any(|vote| vote.roles.iter().any(|role| set.contains(role)))
        });
        people.len() >= needed && every_set
    }

    fn needed(&self) -> String {
        let sets: Vec<String> = self
            .requirement
            .approvers
            .iter()
            .map(|set| {
                set.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" or ")
            })
            .collect();
        sets.join(", and ")
    }
}

impl Human {
    /// True for an active person; which roles count is the approval's business. A system never decides.
    #[must_use]
    pub fn may_decide(&self) -> bool {
        self.standing == crate::people::Standing::Active && self.kind == crate::people::Kind::Human
    }
}

/// How far a grant reaches beyond its first call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantBound {
    /// This many calls in all.
    Times(u64),
    /// Until a moment.
    Until(Timestamp),
    /// Until the task ends.
    Task,
}

/// The bounded form of an approval: calls of one tool in one task whose salient fields are those on the card.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// Id.
    pub id: GrantId,
    /// The approval it came from.
    pub approval: ApprovalId,
    /// The task it dies with.
    pub task: TaskId,
    /// The tool.
    pub tool: ToolRef,
    /// Fingerprint of the tool when it was given.
    pub fingerprint: Digest,
    /// JSON Pointer → value of each salient field printed on the card.
    pub salient: Vec<(String, Value)>,
    /// How far it reaches.
    pub bound: GrantBound,
    /// Calls used so far.
    pub used: u64,
    /// The level it gives in policy.
    pub level: u8,
    /// Taken back.
    pub revoked: bool,
}

impl Grant {
    /// True when a call made `now` with these arguments falls under it.
    #[must_use]
    pub fn covers(
        &self,
        tool: &ToolRef,
        fingerprint: Digest,
        arguments: &crate::json::Object,
        now: Timestamp,
    ) -> bool {
        let in_bound = match self.bound {
            GrantBound::Times(times) => self.used < times,
            GrantBound::Until(until) => now < until,
            GrantBound::Task => true,
        };
        let whole = Value::Object(arguments.clone());
        !self.revoked
            && in_bound
            && self.tool == *tool
            && self.fingerprint == fingerprint
            && self
                .salient
                .iter()
                .all(|(pointer, value)| whole.pointer(pointer) == Some(value))
    }
}
