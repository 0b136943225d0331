//! Policy tests: files of cases, each a call in a task with what must come out. `remit policy test` runs them; so does the
//! decision matrix of the shipped policies.

mod file;
mod world;

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_core::decision::{Effect, Reason, Tier};
use remit_core::people::Role;

use crate::bundle::Bundle;
use crate::catalogue::Catalogue;
use crate::problem::Problem;
use crate::source::Source;
use crate::template::Template;
use crate::verdict::Verdict;

pub use file::{Case, CaseTask, Expectation, TestFile, TestTool};
pub(crate) use world::{Known, World};

/// Why a test file cannot be run. The person who wrote the file or the rules has to change them.
#[derive(Debug, thiserror::Error)]
pub enum TestError {
    /// The file is no test file.
    #[error("{0}")]
    File(String),
    /// A case says something that cannot be read.
    #[error("case `{case}`: {problem}")]
    Case {
        /// Its name.
        case: String,
        /// What is wrong.
        problem: String,
    },
    /// The rules cannot be loaded.
    #[error("the rules have {} problems", .0.len())]
    Rules(Vec<Problem>),
}

/// What came out of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The case's name.
    pub name: String,
    /// Allow, hold or deny.
    pub effect: Effect,
    /// Who has to agree.
    pub tier: Tier,
    /// The machine reason.
    pub reason: Reason,
    /// Ids of the rules that determined it.
    pub rules: Vec<String>,
    /// The approver sets, each `a or b`.
    pub approvers: Vec<String>,
    /// Weak verdicts do not count.
    pub strong: bool,
    /// The sentence the agent gets.
    pub message: String,
    /// What was expected and did not come out, one sentence each; empty = passed.
    pub failures: Vec<String>,
}

/// Runs every case of a file against `sources`. Approver groups of the cases' own are taken to exist.
///
/// # Errors
/// When the file, a case or the rules cannot be read; a case that fails is an [`Outcome`], not an error.
pub fn run(
    file: &TestFile,
    sources: &[Source],
    templates: &[Template],
    groups: &BTreeSet<Role>,
) -> Result<Vec<Outcome>, TestError> {
    let tools = file.tools()?;
    let catalogue = Arc::new(Catalogue::new(tools.iter().map(Known::schema)));
    let mut all = sources.to_vec();
    all.extend(templates.iter().filter_map(Template::source));
    let bundle = Bundle::load(&all, catalogue, groups).map_err(TestError::Rules)?;
    file.cases()
        .map(|case| {
            let world = World::new(case, file.task(case)?, &tools, templates)?;
            let mut verdict = bundle.decide(&world.facts(None));
            if let (true, Verdict::Hold(hold)) = (case.approved, &verdict) {
                let rules: Vec<String> = hold.rules.iter().map(ToString::to_string).collect();
                let requirement = hold.requirement.clone();
                verdict = bundle.decide(&world.facts(Some(crate::facts::Given {
                    requirement: &requirement,
                    rules: &rules,
                })));
            }
            Ok(outcome(case, &verdict))
        })
        .collect()
}

fn outcome(case: &Case, verdict: &Verdict) -> Outcome {
    let requirement = match verdict {
        Verdict::Hold(hold) => Some(&hold.requirement),
        Verdict::Allow(allow) => allow.required(),
        Verdict::Deny(_) => None,
    };
    let sets = requirement.map(|r| r.approvers.as_slice()).unwrap_or_default();
    let mut outcome = Outcome {
        name: case.name.clone(),
        effect: verdict.effect(),
        tier: verdict.tier(),
        reason: verdict.reason(),
        rules: verdict.rules().iter().map(|r| r.id().to_owned()).collect(),
        approvers: sets
            .iter()
            .map(|set| {
                set.iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(" or ")
            })
            .collect(),
        strong: requirement.is_some_and(|r| r.strong),
        message: verdict.message().to_owned(),
        failures: Vec::new(),
    };
    outcome.failures = case.expect.failures(&outcome);
    outcome
}
