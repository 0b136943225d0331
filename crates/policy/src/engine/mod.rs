//! Deciding: facts in, verdict out. One evaluation of each rule that can apply, never a second.

mod evaluate;
mod instead;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use remit_core::approval::Requirement;
use remit_core::decision::{Reason, Tier};
use remit_core::limits::TOUCHED_PER_CALL_MAX;
use remit_core::people::Role;
use remit_core::tool::ToolClass;

use crate::bundle::Bundle;
use crate::context::{Frame, broken, class, typed};
use crate::facts::Facts;
use crate::message;
use crate::redeem::covered;
use crate::rule::{Kind, RuleRef};
use crate::verdict::{Allow, Denial, Hold, Verdict};

pub(crate) use evaluate::{Findings, Stage, holds};

impl Bundle {
    /// Decides one call.
    ///
    /// Forbids win; an error in any of them denies; without a permit for every touched resource the call is denied; what
    /// remains is the tier. `Notify` allows. An approval counts only as far as [`covered`] says.
    #[must_use]
    pub fn decide(&self, facts: &Facts<'_>) -> Verdict {
        match self.stage(facts) {
            Ok(stage) => {
                let findings = self.evaluate(&stage);
                self.conclude(facts, &findings)
            }
            Err(denial) => Verdict::Deny(denial),
        }
    }

    /// Everything that can be refused before any rule is asked, and the scene for the rules.
    pub(crate) fn stage<'a>(&'a self, facts: &'a Facts<'a>) -> Result<Stage<'a>, Denial> {
        let call = facts.call;
        let Some(action) = self.catalogue.action(&call.server, &call.operation) else {
            let sentence = format!(
                "`{}` is not a tool this policy knows; nothing unknown is allowed",
                message::what(facts)
            );
            return Err(self.denial(facts, Reason::OutOfAuthority, sentence));
        };
        if let (Some(known), Some(tool)) = (action.class, &facts.tool)
            && known != tool.classification.class
        {
            let sentence = format!(
                "{} was classified anew while this was decided; try again",
                message::what(facts)
            );
            return Err(self.denial(facts, Reason::StaleState, sentence));
        }
        if call.resources.len() > TOUCHED_PER_CALL_MAX || call.destinations.len() > TOUCHED_PER_CALL_MAX {
            let sentence = format!(
                "one call may touch at most {TOUCHED_PER_CALL_MAX} resources and as many destinations: split it"
            );
            return Err(self.denial(facts, Reason::ParameterViolation, sentence));
        }
        let (arguments, opaque) = typed(facts, action).map_err(|pointer| {
            let sentence =
                format!("argument `{pointer}` is missing or is not what the tool's input schema says");
            self.denial(facts, Reason::ParameterViolation, sentence)
        })?;
        let frame = Frame {
            facts,
            selectors: self.catalogue.selectors(&call.server, action),
            arguments,
            opaque: &opaque,
        };
        let context = crate::context::context(&frame);
        let scene = crate::request::scene(facts, action).map_err(|error| {
            self.denial(
                facts,
                Reason::ConstraintUnsupported,
                format!("the call cannot be represented in policy: {error}"),
            )
        })?;
        Ok(Stage {
            facts,
            action,
            context,
            scene,
        })
    }

    fn conclude(&self, facts: &Facts<'_>, findings: &Findings) -> Verdict {
        if let Some(&first) = findings.forbids.first() {
            let rules = self.refs(&findings.forbids);
            let rule = self.rules.get(first as usize);
            let reason = rule.and_then(|r| r.reason).unwrap_or(Reason::ResourcePolicy);
            let sentence = rule
                .and_then(|r| r.message.as_deref())
                .map_or_else(|| sentence(facts, reason), |text| message::fill(text, facts));
            let mut denial = self.denial(facts, reason, sentence);
            denial.rules = rules;
            return Verdict::Deny(denial);
        }
        if let Some((_, error)) = findings.errors.first() {
            let places: Vec<u32> = findings.errors.iter().map(|(place, _)| *place).collect();
            let sentence = format!("a rule that could forbid this cannot be evaluated: {error}");
            let mut denial = self.denial(facts, Reason::ConstraintUnsupported, sentence);
            denial.rules = self.refs(&places);
            return Verdict::Deny(denial);
        }
        let Some(permits) = &findings.permits else {
            let sentence = format!(
                "no rule permits {} on {}",
                message::what(facts),
                message::resources(facts)
            );
            return Verdict::Deny(self.denial(facts, Reason::OutOfAuthority, sentence));
        };
        self.tier(facts, findings, permits)
    }

    fn tier(&self, facts: &Facts<'_>, findings: &Findings, permits: &[u32]) -> Verdict {
        let tier = findings
            .required
            .iter()
            .filter_map(|place| match self.rules.get(*place as usize)?.kind {
                Kind::Require(tier) => Some(tier),
                _ => None,
            })
            .max()
            .unwrap_or(Tier::Auto);
        let mut rules = self.refs(&findings.required);
        if tier < Tier::Approve {
            rules.extend(self.refs(permits));
            return Verdict::Allow(Allow {
                call: facts.digest,
                tier,
                rules,
                required: None,
                policy_version: self.version,
            });
        }
        // Rules that only tell people ask nothing of them.
        rules.retain(|r| r.0.kind > Kind::Require(Tier::Notify));
        let requirement = requirement(facts, tier, &rules);
        let wider = match facts.approval.map(|given| covered(given, &requirement, &rules)) {
            Some(Ok(())) => {
                rules.extend(self.refs(permits));
                return Verdict::Allow(Allow {
                    call: facts.digest,
                    tier,
                    rules,
                    required: Some(requirement),
                    policy_version: self.version,
                });
            }
            Some(Err(wider)) => Some(wider),
            None => None,
        };
        let text = rules.iter().find_map(|r| r.0.message.as_deref());
        let message = text.map_or_else(
            || sentence(facts, Reason::ApprovalRequired),
            |t| message::fill(t, facts),
        );
        Verdict::Hold(Hold {
            requirement,
            rules,
            message,
            wider,
            policy_version: self.version,
        })
    }

    pub(crate) fn refs(&self, places: &[u32]) -> Vec<RuleRef> {
        places
            .iter()
            .filter_map(|place| self.rules.get(*place as usize))
            .map(|r| RuleRef(r.clone()))
            .collect()
    }

    fn denial(&self, facts: &Facts<'_>, reason: Reason, message: String) -> Denial {
        Denial {
            reason,
            rules: Vec::new(),
            message,
            allowed_instead: instead::allowed(&self.catalogue, facts),
            policy_version: self.version,
        }
    }
}

fn requirement(facts: &Facts<'_>, tier: Tier, rules: &[RuleRef]) -> Requirement {
    let mut approvers: Vec<BTreeSet<Role>> = Vec::new();
    for rule in rules {
        let set = if rule.0.approvers.is_empty() {
            BTreeSet::from([Role::Approver])
        } else {
            rule.0.approvers.clone()
        };
        if !approvers.contains(&set) {
            approvers.push(set);
        }
    }
    let irreversible = facts
        .tool
        .is_some_and(|tool| tool.classification.marks.irreversible);
    let strong = irreversible
        || class(facts) == ToolClass::Privilege
        || tier == Tier::TwoPerson
        || rules.iter().any(|rule| rule.0.strong);
    Requirement {
        tier,
        approvers,
        strong,
    }
}

/// The reason's sentence with the particulars a rule without `@message` does not give.
fn sentence(facts: &Facts<'_>, reason: Reason) -> String {
    let what = message::what(facts);
    match reason {
        Reason::ParameterViolation => {
            let pointers: Vec<&str> = broken(facts).collect();
            format!("{what}: {} outside what this task allows", pointers.join(", "))
        }
        Reason::DestinationNotAllowed => {
            let places = message::list(facts.unknown_destinations.iter());
            format!("{what}: this task does not name {places}")
        }
        _ => format!("{what} on {}: {}", message::resources(facts), reason.sentence()),
    }
}
