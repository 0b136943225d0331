//! One rule: what its text and annotations say, and its condition ready to be evaluated.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use cedar_policy_core::ast::{ActionConstraint, EntityUID, Expr, Policy};
use remit_core::decision::{Reason, Tier};
use remit_core::digest::Digest;
use remit_core::people::Role;

use crate::source::Layer;

/// What a rule does when its condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Lets it happen, unless something forbids it.
    Permit,
    /// Never lets it happen.
    Forbid,
    /// Lets it happen only at this tier: notify, approve or two-person.
    Require(Tier),
}

/// One loaded rule.
#[derive(Debug)]
pub struct Rule {
    /// `@id`, unique in the bundle.
    pub id: String,
    /// Whose it is.
    pub layer: Layer,
    /// What it does.
    pub kind: Kind,
    /// `@reason`.
    pub reason: Option<Reason>,
    /// `@message`, with `{tool}`, `{resource}` and the like still in it.
    pub message: Option<String>,
    /// `@approvers`: any of these roles or groups.
    pub approvers: BTreeSet<Role>,
    /// `@strong`: only verdicts the run could not have given itself.
    pub strong: bool,
    /// Digest of its text, annotations included.
    pub digest: Digest,
    /// Its text.
    pub text: String,
    /// The file it is in.
    pub file: String,
    /// Its first line, from 1.
    pub line: usize,
    pub(crate) policy: Policy,
    pub(crate) condition: Expr,
    pub(crate) reads_resource: bool,
    pub(crate) scope: Scope,
    pub(crate) clauses: Vec<Clause>,
}

/// One conjunct of a rule's condition, for explanations.
#[derive(Debug)]
pub(crate) struct Clause {
    pub expr: Expr,
    pub text: String,
    pub line: usize,
}

/// Where a rule can apply, read from its scope.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    /// Only runs of this agent.
    pub agent: Option<EntityUID>,
    pub action: ActionConstraint,
    /// Only when this entity is, or is above, the principal (template, run) or the resource.
    pub key: Option<EntityUID>,
    pub any_principal: bool,
    pub any_resource: bool,
}

impl Scope {
    /// Nothing in the scope narrows it.
    pub fn is_open(&self) -> bool {
        self.any_principal && self.any_resource && matches!(self.action, ActionConstraint::Any)
    }
}

/// Names a rule in records and approvals: id and content.
#[derive(Clone)]
pub struct RuleRef(pub(crate) Arc<Rule>);

impl RuleRef {
    /// The rule's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.0.id
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &Rule {
        &self.0
    }
}

impl fmt::Display for RuleRef {
    /// `id sha-256:…`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.id, self.0.digest)
    }
}

impl fmt::Debug for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.id)
    }
}

impl PartialEq for RuleRef {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id && self.0.digest == other.0.digest
    }
}

impl Eq for RuleRef {}
