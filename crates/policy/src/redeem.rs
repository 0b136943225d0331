//! Redeeming: is what a fresh decision asks covered by what people saw on the card?

use remit_core::approval::Requirement;

use crate::facts::Given;
use crate::rule::RuleRef;

/// How a call is wider than its card.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Wider {
    /// A stricter tier.
    #[error("it now needs {now}, and {was} was given")]
    Tier {
        /// What the fresh decision asks.
        now: &'static str,
        /// What was given.
        was: &'static str,
    },
    /// Another set of approvers has to agree too.
    #[error("it now needs the agreement of {0}")]
    Approvers(String),
    /// Verdicts must be strong now.
    #[error("it now needs verdicts that the run itself could not have given")]
    Strength,
    /// A rule asks that did not ask then, or whose text changed.
    #[error("rule `{0}` asks now, and it was not on the card or said something else")]
    Rule(String),
}

/// Compares what people approved with what the fresh decision requires.
///
/// # Errors
/// The first way in which the fresh requirement is wider.
pub fn covered(given: Given<'_>, fresh: &Requirement, rules: &[RuleRef]) -> Result<(), Wider> {
    if fresh.tier > given.requirement.tier {
        return Err(Wider::Tier {
            now: fresh.tier.as_str(),
            was: given.requirement.tier.as_str(),
        });
    }
    if fresh.strong && !given.requirement.strong {
        return Err(Wider::Strength);
    }
    if let Some(set) = fresh
        .approvers
        .iter()
        .find(|set| !given.requirement.approvers.contains(set))
    {
        let names: Vec<String> = set.iter().map(ToString::to_string).collect();
        return Err(Wider::Approvers(names.join(" or ")));
    }
    let unknown = |rule: &&RuleRef| {
        let text = rule.to_string();
        !given.rules.contains(&text)
    };
    match rules.iter().find(unknown) {
        Some(rule) => Err(Wider::Rule(rule.id().to_owned())),
        None => Ok(()),
    }
}
