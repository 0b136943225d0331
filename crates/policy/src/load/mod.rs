//! Loading: files of Cedar to a bundle, or to every problem in them.

mod annotations;
mod arguments;
pub(crate) mod form;
mod literals;
mod validate;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy_core::ast::{Effect, Policy, PrincipalOrResourceConstraint};
use cedar_policy_core::parser::{Loc, parse_policyset};
use miette::Diagnostic;
use remit_core::decision::Tier;
use remit_core::digest::Digest;
use remit_core::people::Role;

use crate::catalogue::Catalogue;
use crate::names;
use crate::problem::Problem;
use crate::rule::{Clause, Kind, Rule, Scope};
use crate::source::{Layer, Source};

/// A file while it is read.
#[derive(Clone)]
pub(crate) struct File<'a> {
    source: &'a Source,
    /// Where its lines end: each rule and clause asks for its line.
    ends: Arc<[usize]>,
}

impl<'a> File<'a> {
    fn new(source: &'a Source) -> Self {
        let ends = source.text.match_indices('\n').map(|(at, _)| at).collect();
        Self { source, ends }
    }

    fn problem(&self, loc: Option<&Loc>, sentence: impl Into<String>) -> Problem {
        Problem::at_loc(&self.source.name, &self.source.text, loc, sentence)
    }

    fn line(&self, loc: Option<&Loc>) -> usize {
        let offset = loc.map_or(0, Loc::start);
        self.ends.partition_point(|end| *end < offset) + 1
    }
}

/// A rule, and the policy as written, which is what positions in messages refer to.
pub(crate) struct Draft<'a> {
    pub file: File<'a>,
    pub written: Policy,
    pub rule: Rule,
}

/// Reads and validates everything.
///
/// # Errors
/// All problems, in the order of files and lines.
pub(crate) fn rules(
    sources: &[Source],
    catalogue: &Catalogue,
    groups: &BTreeSet<Role>,
) -> Result<Vec<Arc<Rule>>, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut drafts: Vec<Draft<'_>> = Vec::new();
    let mut ids: HashMap<String, String> = HashMap::new();
    for source in sources {
        let file = File::new(source);
        for written in parse(&file, &mut problems) {
            let Some(draft) = draft(file.clone(), written, groups, &mut problems) else {
                continue;
            };
            let place = format!("{}:{}", draft.rule.file, draft.rule.line);
            if let Some(first) = ids.get(&draft.rule.id) {
                let sentence = format!("the id `{}` is taken by {first}", draft.rule.id);
                problems.push(
                    file.problem(draft.written.loc(), sentence)
                        .fix("ids are unique across all files: choose another"),
                );
            } else {
                ids.insert(draft.rule.id.clone(), place);
            }
            drafts.push(draft);
        }
    }
    for draft in &drafts {
        arguments::check(draft, catalogue, &mut problems);
    }
    if problems.is_empty() {
        validate::check(&drafts, catalogue, &mut problems);
    }
    if problems.is_empty() {
        let mut rules: Vec<Arc<Rule>> = drafts.into_iter().map(|d| Arc::new(d.rule)).collect();
        rules.sort_by_key(|rule| rule.layer);
        return Ok(rules);
    }
    Err(problems)
}

/// The policies of a file in their order there.
fn parse(file: &File<'_>, problems: &mut Vec<Problem>) -> Vec<Policy> {
    let source = file.source;
    let set = match parse_policyset(&source.text) {
        Ok(set) => set,
        Err(errors) => {
            for error in &errors {
                let offset = error
                    .labels()
                    .and_then(|mut all| all.next())
                    .map_or(0, |label| label.offset());
                let help = error.help().map(|h| h.to_string()).unwrap_or_default();
                problems.push(Problem::at(&source.name, &source.text, offset, error.to_string()).fix(help));
            }
            return Vec::new();
        }
    };
    for template in set.all_templates().filter(|t| !t.is_static()) {
        problems.push(
            file.problem(
                template.loc(),
                "a Cedar template with `?principal` or `?resource` has no place here",
            )
            .fix("limits of a task are data: compare with `principal.task`"),
        );
    }
    let mut policies: Vec<Policy> = set.policies().cloned().collect();
    policies.sort_by_key(|policy| policy.loc().map_or(0, Loc::start));
    policies
}

fn draft<'a>(
    file: File<'a>,
    written: Policy,
    groups: &BTreeSet<Role>,
    problems: &mut Vec<Problem>,
) -> Option<Draft<'a>> {
    let before = problems.len();
    let annotations = annotations::read(&file, &written, groups, problems)?;
    let kind = kind(&file, &written, problems);
    let scope = scope(&written);
    layer(&file, &written, kind, &scope, problems);
    let policy = literals::canonical(&written).unwrap_or_else(|sentence| {
        problems.push(file.problem(written.loc(), sentence));
        written.clone()
    });
    for problem in problems.iter_mut().skip(before) {
        problem.rule = Some(annotations.id.clone());
    }
    let text = written
        .loc()
        .and_then(Loc::snippet)
        .unwrap_or_default()
        .to_owned();
    let condition = policy.condition();
    let rule = Rule {
        layer: file.source.layer,
        kind: kind.unwrap_or(Kind::Forbid),
        reason: annotations.reason,
        message: annotations.message,
        approvers: annotations.approvers,
        strong: annotations.strong,
        digest: Digest::of_parts(&[file.source.layer.as_str().as_bytes(), b"\n", text.as_bytes()]),
        file: file.source.name.clone(),
        line: file.line(written.loc()),
        reads_resource: form::reads_resource(&condition),
        // The scope is read again: its literals may have been brought to their one spelling.
        scope: self::scope(&policy),
        clauses: clauses(&file, &written, &policy),
        id: annotations.id,
        text,
        policy,
        condition,
    };
    Some(Draft { file, written, rule })
}

/// Permit, forbid, or the tier a forbid falls away at; `None` after a problem.
fn kind(file: &File<'_>, policy: &Policy, problems: &mut Vec<Problem>) -> Option<Kind> {
    let condition = policy.condition();
    if let Some(bare) = form::bare_context(&condition) {
        problems.push(
            file.problem(bare.source_loc(), "`context` cannot be used as a whole")
                .fix("name the fact: `context.labels`, `context.arguments.path` …"),
        );
        return None;
    }
    let mentions = form::mentions(&condition)
        .into_iter()
        .filter(|m| m.path.first() == Some(&"approval"))
        .collect::<Vec<_>>();
    // `context.approval.level` is two mentions: of the record and of the level in it.
    let used = mentions.iter().filter(|m| m.path.len() == 1).count();
    let levels: Vec<i64> = policy
        .non_scope_constraints()
        .map(form::conjuncts)
        .unwrap_or_default()
        .into_iter()
        .filter_map(form::approval_level)
        .collect();
    let tier = |n: i64| {
        [Tier::Notify, Tier::Approve, Tier::TwoPerson]
            .into_iter()
            .find(|t| i64::from(t.level()) == n)
    };
    match (policy.effect(), used, levels.as_slice()) {
        (Effect::Permit, 0, _) => Some(Kind::Permit),
        (Effect::Forbid, 0, _) => Some(Kind::Forbid),
        (Effect::Forbid, 1, [n]) => tier(*n).map(Kind::Require).or_else(|| {
            problems.push(
                file.problem(policy.loc(), format!("there is no approval level {n}"))
                    .fix("1 tells people, 2 asks one, 3 asks two; leave the clause out for never"),
            );
            None
        }),
        _ => {
            let loc = mentions.first().and_then(|m| m.loc).or(policy.loc());
            problems.push(
                file.problem(loc, "approval is a requirement, never a permission")
                    .fix("it may stand once, in a forbid, as the whole of `unless { context.approval.level >= 2 }`"),
            );
            None
        }
    }
}

/// What the layer of a file asks of its rules.
fn layer(file: &File<'_>, policy: &Policy, kind: Option<Kind>, scope: &Scope, problems: &mut Vec<Problem>) {
    let source = file.source;
    let only_forbids = matches!(source.layer, Layer::Guardrail | Layer::Template);
    if only_forbids && kind == Some(Kind::Permit) {
        problems.push(
            file.problem(policy.loc(), format!("a {} file holds no permit", source.layer))
                .fix("it can only narrow: write a forbid, or move the permit to an organisation file"),
        );
    }
    if source.layer == Layer::Template {
        let own = names::uid(&names::TEMPLATE, &source.name);
        if scope.key.as_ref() != Some(&own) {
            problems.push(
                file.problem(policy.loc(), "a template's rule binds its own tasks only")
                    .fix(format!(
                        "write `principal in Template::\"{}\"` and no resource in its scope",
                        source.name
                    )),
            );
        }
    }
}

fn scope(policy: &Policy) -> Scope {
    let principal = policy.principal_constraint();
    let resource = policy.resource_constraint();
    let entity =
        |constraint: &PrincipalOrResourceConstraint| constraint.get_euid().map(|uid| uid.as_ref().clone());
    let named = entity(principal.as_inner());
    let agent = named.clone().filter(|uid| *uid.entity_type() == *names::AGENT);
    let other = named.filter(|uid| *uid.entity_type() != *names::AGENT);
    let nothing = |constraint: &PrincipalOrResourceConstraint| {
        matches!(
            constraint,
            PrincipalOrResourceConstraint::Any | PrincipalOrResourceConstraint::Is(_)
        )
    };
    Scope {
        agent,
        action: policy.action_constraint().clone(),
        key: entity(resource.as_inner()).or(other),
        any_principal: nothing(principal.as_inner()),
        any_resource: nothing(resource.as_inner()),
    }
}

/// The conjuncts as evaluated, with the text as written. A rule whose literals were respelled keeps its conjuncts' order.
fn clauses(file: &File<'_>, written: &Policy, policy: &Policy) -> Vec<Clause> {
    let texts = written
        .non_scope_constraints()
        .map(form::conjuncts)
        .unwrap_or_default();
    let exprs = policy
        .non_scope_constraints()
        .map(form::conjuncts)
        .unwrap_or_default();
    exprs
        .into_iter()
        .zip(texts)
        .map(|(expr, as_written)| Clause {
            expr: expr.clone(),
            text: as_written
                .source_loc()
                .and_then(Loc::snippet)
                .map_or_else(|| as_written.to_string(), one_line),
            line: file.line(as_written.source_loc()),
        })
        .collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
