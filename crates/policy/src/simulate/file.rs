//! The test file's format (TOML).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::world::Known;
use super::{Outcome, TestError};
use crate::template::{AuthorityFile, TiersFile};

/// A test file: tools, and cases that call them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    #[serde(default)]
    tools: Vec<TestTool>,
    #[serde(default)]
    tasks: BTreeMap<String, CaseTask>,
    #[serde(default)]
    cases: Vec<Case>,
}

/// A tool the cases call.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestTool {
    /// `server/tool`.
    pub name: String,
    /// Its class.
    pub class: String,
    /// Cannot be undone.
    #[serde(default)]
    pub irreversible: bool,
    /// Returns a credential.
    #[serde(default)]
    pub mints: bool,
    /// `admitted`, `quarantined` or `retired`.
    #[serde(default)]
    pub state: Option<String>,
    /// Its `inputSchema` as JSON text; an object of anything when left out.
    #[serde(default)]
    pub schema: Option<String>,
}

/// A task the cases call in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseTask {
    /// Opened from this template …
    #[serde(default)]
    pub template: Option<String>,
    /// … with these parameters,
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// or with this authority and these tiers, written as in a template file.
    #[serde(default)]
    pub authority: AuthorityFile,
    /// Tiers the task wants, or agreed on.
    #[serde(default)]
    pub tiers: TiersFile,
    /// Mode, unless it comes from the template.
    #[serde(default)]
    pub mode: Option<String>,
    /// State: `open` when left out.
    #[serde(default)]
    pub state: Option<String>,
    /// Agent; `coder` when left out.
    #[serde(default)]
    pub agent: Option<String>,
    /// The initiator's roles.
    #[serde(default)]
    pub initiator_roles: Vec<String>,
    /// Agents above this one, root first.
    #[serde(default)]
    pub above: Vec<String>,
    /// How the run is shut in.
    #[serde(default)]
    pub confinement: Option<String>,
}

/// One case.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// The task, by its name in `[tasks]`.
    pub task: String,
    /// `server/tool`, or `server method target` for other operations.
    pub call: String,
    /// Arguments.
    #[serde(default)]
    pub arguments: toml::Table,
    /// What the call touches.
    #[serde(default)]
    pub resources: Vec<String>,
    /// Where it sends data.
    #[serde(default)]
    pub destinations: Vec<String>,
    /// Destinations known to be good although the task does not name them.
    #[serde(default)]
    pub known_destinations: Vec<String>,
    /// Labels of the run.
    #[serde(default)]
    pub labels: Vec<String>,
    /// Frozen roots.
    #[serde(default)]
    pub frozen: Vec<String>,
    /// Environments of systems.
    #[serde(default)]
    pub environments: BTreeMap<String, String>,
    /// Budgets the call would overrun that nobody may lift: `calls`, a class, or a tool.
    #[serde(default)]
    pub exhausted: Vec<String>,
    /// Budgets of the task itself that the call would overrun.
    #[serde(default)]
    pub overrun: Vec<String>,
    /// `initial`, `retry` or `anomaly`.
    #[serde(default)]
    pub origin: Option<String>,
    /// A resource or destination cannot be seen.
    #[serde(default)]
    pub salient_opaque: bool,
    /// What the server does over the network does not pass Remit.
    #[serde(default)]
    pub uncontained: bool,
    /// Risk parts: novelty, class, label, volume.
    #[serde(default)]
    pub risk: Option<[u8; 4]>,
    /// Minutes after midnight UTC on Saturday, 21 November 2026; 600 when left out.
    #[serde(default)]
    pub minute: Option<i64>,
    /// People have given exactly what the call asks for.
    #[serde(default)]
    pub approved: bool,
    /// What must come out.
    #[serde(default)]
    pub expect: Expectation,
}

/// What must come out; what is left out is not compared.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expectation {
    /// `allow`, `hold` or `deny`.
    pub effect: Option<String>,
    /// The machine reason.
    pub reason: Option<String>,
    /// The tier.
    pub tier: Option<String>,
    /// A rule that must be among those that determined it.
    pub rule: Option<String>,
    /// The approver sets, each `a or b`.
    pub approvers: Option<Vec<String>>,
}

impl TestFile {
    /// Reads a file.
    ///
    /// # Errors
    /// [`TestError::File`] with the place.
    pub fn parse(text: &str) -> Result<Self, TestError> {
        toml::from_str(text).map_err(|e| TestError::File(e.to_string().trim_end().to_owned()))
    }

    pub(crate) fn tools(&self) -> Result<Vec<Known>, TestError> {
        self.tools.iter().map(Known::new).collect()
    }

    pub(crate) fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.iter()
    }

    pub(crate) fn task(&self, case: &Case) -> Result<&CaseTask, TestError> {
        self.tasks
            .get(&case.task)
            .ok_or_else(|| case.error(format!("there is no task `{}` in [tasks]", case.task)))
    }
}

impl Case {
    pub(super) fn error(&self, problem: impl Into<String>) -> TestError {
        TestError::Case {
            case: self.name.clone(),
            problem: problem.into(),
        }
    }
}

impl Expectation {
    pub(super) fn failures(&self, outcome: &Outcome) -> Vec<String> {
        let mut failures = Vec::new();
        let mut compare = |what: &str, wanted: &Option<String>, got: &str| {
            if let Some(wanted) = wanted
                && wanted != got
            {
                failures.push(format!("{what} is {got}, expected {wanted}"));
            }
        };
        compare("effect", &self.effect, outcome.effect.as_str());
        compare("reason", &self.reason, outcome.reason.as_str());
        compare("tier", &self.tier, outcome.tier.as_str());
        if let Some(rule) = &self.rule
            && !outcome.rules.contains(rule)
        {
            failures.push(format!("rule {rule} is not among {}", outcome.rules.join(", ")));
        }
        if let Some(approvers) = &self.approvers
            && *approvers != outcome.approvers
        {
            failures.push(format!(
                "approvers are {:?}, expected {approvers:?}",
                outcome.approvers
            ));
        }
        failures
    }
}
