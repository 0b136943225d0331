//! Strict validation, against no more schema than a rule can see.
//!
//! Rules that read no argument see the same types for every tool: one small schema serves them all. Rules that read arguments
//! are validated against every tool in their scope, one server at a time.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use cedar_policy_core::ast::{ExprKind, Literal, Template};
use cedar_policy_core::parser::Loc;
use cedar_policy_core::validator::typecheck::Typechecker;
use cedar_policy_core::validator::{
    ValidationError, ValidationMode, Validator, ValidatorSchema, confusable_string_checks,
};
use miette::Diagnostic;
use remit_core::name::Name;
use remit_core::tool::ToolRef;

use super::{Draft, arguments, form};
use crate::catalogue::Catalogue;
use crate::names;
use crate::problem::Problem;
use crate::schema::{Extent, schema};

/// Adds a problem for everything Cedar does not accept, and for rules that can never apply.
pub(crate) fn check(drafts: &[Draft<'_>], catalogue: &Catalogue, problems: &mut Vec<Problem>) {
    let (readers, plain): (Vec<_>, Vec<_>) = drafts.iter().partition(|d| reads_arguments(d));
    let named: BTreeSet<ToolRef> = plain.iter().flat_map(|d| tools_named(d)).collect();
    let mut schemas = Schemas {
        catalogue,
        typed: BTreeMap::new(),
    };
    match schema(catalogue, &Extent::Plain(&named)) {
        Ok(schema) => plain.iter().for_each(|draft| one(draft, &[&schema], problems)),
        Err(error) => problems.push(Problem::whole("schema", error)),
    }
    for draft in readers {
        match schemas.for_reader(draft) {
            Ok(needed) => {
                let needed: Vec<&ValidatorSchema> =
                    needed.iter().filter_map(|key| schemas.typed.get(key)).collect();
                one(draft, &needed, problems);
            }
            Err(error) => problems.push(Problem::whole("schema", error)),
        }
    }
}

struct Schemas<'a> {
    catalogue: &'a Catalogue,
    typed: BTreeMap<BTreeSet<ToolRef>, ValidatorSchema>,
}

impl Schemas<'_> {
    /// The schemas a rule is held against: the tools in its scope server by server, each together with those it names.
    fn for_reader(&mut self, draft: &Draft<'_>) -> Result<Vec<BTreeSet<ToolRef>>, String> {
        let named: BTreeSet<ToolRef> = tools_named(draft).collect();
        let mut by_server: BTreeMap<Name, BTreeSet<ToolRef>> = BTreeMap::new();
        for action in arguments::in_scope(draft.written.action_constraint(), self.catalogue) {
            if let Some(tool) = &action.tool {
                by_server
                    .entry(tool.server.clone())
                    .or_insert_with(|| named.clone())
                    .insert(tool.clone());
            }
        }
        let needed: BTreeSet<BTreeSet<ToolRef>> = by_server.into_values().collect();
        for tools in &needed {
            if !self.typed.contains_key(tools) {
                self.typed
                    .insert(tools.clone(), schema(self.catalogue, &Extent::Typed(tools))?);
            }
        }
        Ok(needed.into_iter().collect())
    }
}

/// What was written gives positions; what is evaluated is held against the schema as well, when it was respelled.
fn one(draft: &Draft<'_>, schemas: &[&ValidatorSchema], problems: &mut Vec<Problem>) {
    let mut errors = HashSet::new();
    let mut possible = false;
    for schema in schemas {
        possible |= typecheck(schema, draft.written.template(), &mut errors);
        possible |= typecheck(schema, draft.rule.policy.template(), &mut errors);
    }
    // A respelled copy has no positions, and its errors repeat those of what was written.
    let located = errors.iter().any(|error| offset(error).is_some());
    let mut sentences: BTreeMap<usize, BTreeSet<(bool, String, String)>> = BTreeMap::new();
    for error in errors.iter().filter(|error| offset(error).is_some() || !located) {
        let at = offset(error).or(draft.written.loc().map(Loc::start)).unwrap_or(0);
        let help = error.help().map(|h| h.to_string()).unwrap_or_default();
        let (of_tool, text) = shortened(&error.to_string());
        sentences.entry(at).or_default().insert((!of_tool, text, help));
    }
    let source = draft.file.source;
    for (at, said) in sentences {
        // One place, one problem: what differs is only which action it is about, and tools come first.
        if let Some((_, text, mut help)) = said.into_iter().next() {
            if text.starts_with("attribute `arguments.") {
                "write `context.arguments has NAME && …` first, or name the tool in the scope"
                    .clone_into(&mut help);
            }
            problems.push(
                Problem::at(&source.name, &source.text, at, text)
                    .fix(help)
                    .rule(&draft.rule.id),
            );
        }
    }
    if errors.is_empty() && !possible {
        problems.push(
            draft
                .file
                .problem(
                    draft.written.loc(),
                    "it can never apply: its condition is false for every call its scope allows",
                )
                .fix("look for a misspelled name, or a type that cannot be equal")
                .rule(&draft.rule.id),
        );
    }
    for warning in confusable_string_checks(std::iter::once(draft.written.template())) {
        problems.push(
            draft
                .file
                .problem(draft.written.loc(), warning.to_string())
                .fix("write the characters plainly")
                .rule(&draft.rule.id),
        );
    }
}

fn offset(error: &ValidationError) -> Option<usize> {
    error
        .labels()
        .and_then(|mut all| all.next())
        .map(|label| label.offset())
}

/// Cedar's sentence without the policy's number and without actions that no rule can name; whether it is about a tool.
fn shortened(text: &str) -> (bool, String) {
    let text = text.split_once("`, ").map_or(text, |(_, rest)| rest);
    let Some((before, after)) = text.split_once(" in context for Action::\"") else {
        return (false, text.to_owned());
    };
    match after.split_once('"') {
        Some((id, rest)) if id.contains(':') => (false, format!("{before}{rest}")),
        _ => (true, text.to_owned()),
    }
}

/// Adds what Cedar says; true when the rule can apply to some request.
fn typecheck(schema: &ValidatorSchema, template: &Template, errors: &mut HashSet<ValidationError>) -> bool {
    errors.extend(Validator::validate_entity_types_and_literals(schema, template));
    let mut warnings = HashSet::new();
    Typechecker::new(schema, ValidationMode::Strict).typecheck_policy(template, errors, &mut warnings);
    // The only warning of type checking is that nothing can make the rule apply.
    warnings.is_empty()
}

fn reads_arguments(draft: &Draft<'_>) -> bool {
    form::mentions(&draft.written.condition())
        .iter()
        .any(|m| m.path.first() == Some(&"arguments"))
}

/// Tools named anywhere in a rule, scope included.
fn tools_named(draft: &Draft<'_>) -> impl Iterator<Item = ToolRef> {
    let condition = draft.written.condition();
    let named: Vec<ToolRef> = condition
        .subexpressions()
        .filter_map(|expr| match expr.expr_kind() {
            ExprKind::Lit(Literal::EntityUID(uid)) if *uid.entity_type() == *names::ACTION => {
                AsRef::<str>::as_ref(uid.eid()).parse().ok()
            }
            _ => None,
        })
        .collect();
    named.into_iter()
}
