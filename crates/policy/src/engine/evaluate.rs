//! Evaluating the rules that can apply, each once; those that read `resource`, once for each resource.

use std::sync::Arc;

use cedar_policy_core::ast::{Context, EntityUID, Expr, Literal, SlotEnv, ValueKind};
use cedar_policy_core::entities::Dereference;
use cedar_policy_core::evaluator::Evaluator;
use cedar_policy_core::extensions::Extensions;

use crate::bundle::Bundle;
use crate::catalogue::Action;
use crate::facts::Facts;
use crate::request::{Scene, request};
use crate::rule::{Kind, Rule};

/// A call set up for evaluation.
pub(crate) struct Stage<'a> {
    pub facts: &'a Facts<'a>,
    pub action: &'a Action,
    pub context: Context,
    pub scene: Scene,
}

impl<'a> Stage<'a> {
    pub fn evaluator(&'a self, resource: &Arc<EntityUID>) -> Evaluator<'a> {
        let request = request(self.facts, self.action, resource, self.context.clone());
        Evaluator::new(request, &self.scene.entities, Extensions::all_available())
    }

    /// The principal's and the resources' own and ancestor ids: where keyed rules are found.
    pub fn scope_entities(&'a self) -> impl Iterator<Item = &'a EntityUID> {
        let principal = self.facts.principal;
        let resources = self.scene.resources.iter().flat_map(|uid| {
            let above = match self.scene.entities.entity(uid) {
                Dereference::Data(entity) => Some(entity.ancestors()),
                _ => None,
            };
            std::iter::once(uid.as_ref()).chain(above.into_iter().flatten())
        });
        std::iter::once(principal.uid.as_ref())
            .chain(&principal.templates)
            .chain(resources)
    }
}

/// What the rules said; places in the bundle, strictest layer first.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    /// Plain forbids whose condition holds.
    pub forbids: Vec<u32>,
    /// Forbids that could not be evaluated, and why.
    pub errors: Vec<(u32, String)>,
    /// Approval requirements whose condition holds.
    pub required: Vec<u32>,
    /// Permits that cover every resource; `None` when one is not covered.
    pub permits: Option<Vec<u32>>,
}

impl Bundle {
    /// Evaluates the slice for a call.
    pub(crate) fn evaluate(&self, stage: &Stage<'_>) -> Findings {
        let slice = self
            .index
            .slice(&self.rules, &stage.facts.principal.agent, stage.action);
        let candidates = self.index.candidates(&slice, stage.scope_entities());
        self.evaluate_places(stage, &candidates)
    }

    /// Evaluates the rules at these places, ascending.
    pub(crate) fn evaluate_places(&self, stage: &Stage<'_>, places: &[u32]) -> Findings {
        let mut findings = Findings::default();
        let mut permits = Vec::new();
        let mut uncovered = 0_usize;
        for (round, resource) in stage.scene.resources.iter().enumerate() {
            let evaluator = stage.evaluator(resource);
            let mut covered = None;
            for &place in places {
                let Some(rule) = self.rules.get(place as usize) else {
                    continue;
                };
                if rule.kind == Kind::Permit {
                    if covered.is_some() {
                        continue;
                    }
                } else if round > 0 && !rule.reads_resource {
                    // What does not read `resource` says the same for each: the first round has asked it.
                    continue;
                }
                findings.note(place, rule, holds(&evaluator, &rule.condition), &mut covered);
            }
            match covered {
                Some(place) if !permits.contains(&place) => permits.push(place),
                Some(_) => {}
                None => uncovered += 1,
            }
        }
        findings.permits = (uncovered == 0).then_some(permits);
        findings
    }
}

impl Findings {
    fn note(&mut self, place: u32, rule: &Rule, holds: Result<bool, String>, covered: &mut Option<u32>) {
        let list = match (rule.kind, holds) {
            (Kind::Permit, Ok(true)) => {
                *covered = Some(place);
                return;
            }
            // A permit that cannot be evaluated is not satisfied.
            (Kind::Permit, _) | (_, Ok(false)) => return,
            (_, Err(error)) => {
                if !self.errors.iter().any(|(known, _)| *known == place) {
                    self.errors.push((place, error));
                }
                return;
            }
            (Kind::Forbid, Ok(true)) => &mut self.forbids,
            (Kind::Require(_), Ok(true)) => &mut self.required,
        };
        if let Err(at) = list.binary_search(&place) {
            list.insert(at, place);
        }
    }
}

/// Whether a condition holds; otherwise why that cannot be told.
pub(crate) fn holds(evaluator: &Evaluator<'_>, condition: &Expr) -> Result<bool, String> {
    let value = evaluator
        .interpret(condition, &SlotEnv::new())
        .map_err(|error| error.to_string())?;
    match value.value_kind() {
        ValueKind::Lit(Literal::Bool(holds)) => Ok(*holds),
        _ => Err("the condition is no boolean".to_owned()),
    }
}
