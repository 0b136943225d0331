//! Explaining: for one call, what each rule said and which clause made the difference. Off the decision's path.

use std::fmt;

use cedar_policy_core::ast::{EntityUID, Policy};
use cedar_policy_core::evaluator::Evaluator;

use crate::bundle::Bundle;
use crate::engine::{Stage, holds};
use crate::facts::Facts;
use crate::rule::{Kind, Rule, RuleRef};
use crate::verdict::Verdict;

/// What one rule said about a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Its condition holds: a forbid for this resource, a permit for all of them.
    Applies {
        /// The resource it holds for; empty when the call touches nothing identifiable or the rule does not look.
        resource: String,
    },
    /// Its scope names another principal, action or resource.
    OtherScope,
    /// One of its clauses does not hold.
    Fails {
        /// The clause as written.
        clause: String,
        /// Its line in the rule's file.
        line: usize,
        /// How many clauses before it hold.
        after: usize,
    },
    /// It cannot be evaluated.
    Errs(String),
}

/// One rule and what it said.
#[derive(Clone, Debug)]
pub struct RuleReport {
    /// The rule.
    pub rule: RuleRef,
    /// What it said.
    pub said: Said,
}

/// Why a call is decided as it is.
#[derive(Debug)]
pub struct Explanation {
    /// The decision.
    pub verdict: Verdict,
    /// Every rule whose scope fits or that applies, strictest layer first. Empty when the call was refused before any rule was asked.
    pub rules: Vec<RuleReport>,
    /// When nothing permitted the call: the permit that came closest.
    pub nearest_permit: Option<RuleReport>,
}

impl Bundle {
    /// Decides the call and says what every rule of the whole set had to do with it.
    #[must_use]
    pub fn explain(&self, facts: &Facts<'_>) -> Explanation {
        let verdict = self.decide(facts);
        let Ok(stage) = self.stage(facts) else {
            return Explanation {
                verdict,
                rules: Vec::new(),
                nearest_permit: None,
            };
        };
        let reports: Vec<RuleReport> = self
            .rules
            .iter()
            .map(|rule| RuleReport {
                rule: RuleRef(rule.clone()),
                said: said(&stage, rule),
            })
            .collect();
        let permits = || reports.iter().filter(|r| r.rule.rule().kind == Kind::Permit);
        let permitted = permits().any(|r| matches!(r.said, Said::Applies { .. }));
        let nearest_permit = (!permitted)
            .then(|| permits().max_by_key(|r| closeness(&r.said)).cloned())
            .flatten();
        Explanation {
            verdict,
            rules: reports
                .into_iter()
                .filter(|r| r.said != Said::OtherScope)
                .collect(),
            nearest_permit,
        }
    }
}

fn closeness(said: &Said) -> usize {
    match said {
        Said::Applies { .. } => usize::MAX,
        Said::Fails { after, .. } => after + 2,
        Said::Errs(_) => 1,
        Said::OtherScope => 0,
    }
}

fn said(stage: &Stage<'_>, rule: &Rule) -> Said {
    let mut last = Said::OtherScope;
    for resource in &stage.scene.resources {
        let evaluator = stage.evaluator(resource);
        last = about(&evaluator, rule, resource);
        let applies = matches!(last, Said::Applies { .. });
        // A forbid needs one resource, a permit needs all.
        if applies != (rule.kind == Kind::Permit) {
            return last;
        }
    }
    last
}

fn about(evaluator: &Evaluator<'_>, rule: &Rule, resource: &EntityUID) -> Said {
    match holds(evaluator, &rule.condition) {
        Ok(true) => Said::Applies {
            resource: if rule.reads_resource {
                shown(resource)
            } else {
                String::new()
            },
        },
        Ok(false) => why_not(evaluator, rule),
        Err(error) => Said::Errs(error),
    }
}

fn shown(resource: &EntityUID) -> String {
    let id: &str = resource.eid().as_ref();
    if id == "nothing" {
        String::new()
    } else {
        id.to_owned()
    }
}

fn why_not(evaluator: &Evaluator<'_>, rule: &Rule) -> Said {
    if !scope_fits(evaluator, &rule.policy) {
        return Said::OtherScope;
    }
    for (after, clause) in rule.clauses.iter().enumerate() {
        match holds(evaluator, &clause.expr) {
            Ok(true) => {}
            Ok(false) => {
                return Said::Fails {
                    clause: clause.text.clone(),
                    line: clause.line,
                    after,
                };
            }
            Err(error) => return Said::Errs(error),
        }
    }
    Said::OtherScope
}

fn scope_fits(evaluator: &Evaluator<'_>, policy: &Policy) -> bool {
    [
        policy.principal_constraint().as_expr(),
        policy.action_constraint().as_expr(),
        policy.resource_constraint().as_expr(),
    ]
    .iter()
    .all(|expr| holds(evaluator, expr) == Ok(true))
}

impl fmt::Display for RuleReport {
    /// `guardrail.freeze (guardrails.cedar:52) …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rule = self.rule.rule();
        write!(f, "{} ({}:{}) ", rule.id, rule.file, rule.line)?;
        match &self.said {
            Said::Applies { resource } if resource.is_empty() => f.write_str("applies"),
            Said::Applies { resource } => write!(f, "applies to {resource}"),
            Said::OtherScope => f.write_str("is about other calls"),
            Said::Fails { clause, line, .. } => {
                write!(f, "does not apply: line {line}, `{clause}` does not hold")
            }
            Said::Errs(error) => write!(f, "cannot be evaluated: {error}"),
        }
    }
}
