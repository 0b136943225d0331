//! Tools and arguments a rule names: that they exist, and that policy can see them.

use std::collections::BTreeMap;

use cedar_policy_core::ast::{ActionConstraint, Expr, ExprKind, Literal};

use super::{Draft, form};
use crate::catalogue::{Action, ArgumentType, Catalogue, Field, Opaque};
use crate::names;
use crate::problem::Problem;

/// Adds a problem for every argument that no tool in scope has, that is opaque, or that is compared with a word it cannot be.
pub(crate) fn check(draft: &Draft<'_>, catalogue: &Catalogue, problems: &mut Vec<Problem>) {
    let condition = draft.written.condition();
    actions(draft, &condition, catalogue, problems);
    let tools = in_scope(draft.written.action_constraint(), catalogue);
    let mut told: Vec<Problem> = Vec::new();
    for mention in form::mentions(&condition) {
        let Some((&"arguments", path)) = mention.path.split_first() else {
            continue;
        };
        if path.is_empty() || tools.iter().any(|tool| find(&tool.fields, path).is_some()) {
            continue;
        }
        let pointer = pointer(path);
        let problem = match tools.iter().find_map(|tool| Some((tool, opaque(&tool.opaque, &pointer)?))) {
            Some((tool, (part, why))) => draft
                .file
                .problem(mention.loc, format!("Cedar cannot hold `{part}` of {}: it is {why}", name(tool)))
                .fix("rules see `context.opaque` and `context.salient_opaque`; bounds on a task can compare it"),
            None => draft
                .file
                .problem(mention.loc, missing(&tools, &pointer))
                .fix(has(&tools)),
        };
        // `context.arguments.a.b` is a mention of `a` as well: once is enough.
        if !told
            .iter()
            .any(|other| (other.line, other.column) == (problem.line, problem.column))
        {
            told.push(problem.rule(&draft.rule.id));
        }
    }
    problems.append(&mut told);
    for (path, text, loc) in form::compared_texts(&condition) {
        let kinds: Vec<&ArgumentType> = tools.iter().filter_map(|t| find(&t.fields, &path)).collect();
        let impossible = |kind: &&ArgumentType| matches!(kind, ArgumentType::Choice(words) if !words.iter().any(|w| w == text));
        if let (false, true, Some(ArgumentType::Choice(words))) =
            (kinds.is_empty(), kinds.iter().all(impossible), kinds.first())
        {
            problems.push(
                draft
                    .file
                    .problem(loc, format!("`{}` is never `{text}`", pointer(&path)))
                    .fix(format!("it is one of: {}", words.join(", ")))
                    .rule(&draft.rule.id),
            );
        }
    }
}

/// Adds a problem for every action that is no tool, group or operation.
fn actions(draft: &Draft<'_>, condition: &Expr, catalogue: &Catalogue, problems: &mut Vec<Problem>) {
    for expr in condition.subexpressions() {
        let ExprKind::Lit(Literal::EntityUID(uid)) = expr.expr_kind() else {
            continue;
        };
        if *uid.entity_type() != *names::ACTION || catalogue.knows(uid) {
            continue;
        }
        let id: &str = uid.eid().as_ref();
        let server = id.split_once('/').map_or("", |(server, _)| server);
        let tools: Vec<String> = catalogue
            .tools()
            .filter(|tool| tool.server.as_str() == server)
            .map(ToString::to_string)
            .collect();
        let fix = if tools.is_empty() {
            "actions are tools (`server/tool`), `server/*`, classes, `any`, `answer` and `mcp:METHOD`; see `remit tools ls`".to_owned()
        } else {
            format!("{server} has {}", crate::message::list(tools.iter()))
        };
        let loc = uid.loc().or(expr.source_loc()).or(draft.written.loc());
        problems.push(
            draft
                .file
                .problem(loc, format!("there is no action `{id}`"))
                .fix(fix)
                .rule(&draft.rule.id),
        );
    }
}

/// The tools an action constraint can mean.
pub(crate) fn in_scope<'a>(constraint: &ActionConstraint, catalogue: &'a Catalogue) -> Vec<&'a Action> {
    catalogue
        .tools
        .values()
        .map(AsRef::as_ref)
        .filter(|tool| match constraint {
            ActionConstraint::Any => true,
            ActionConstraint::Eq(uid) => *tool.uid == **uid,
            ActionConstraint::In(all) => all.iter().any(|uid| tool.is_in(uid)),
        })
        .collect()
}

fn find<'a>(fields: &'a BTreeMap<String, Field>, path: &[&str]) -> Option<&'a ArgumentType> {
    let (first, rest) = path.split_first()?;
    let kind = &fields.get(*first)?.kind;
    match (rest, kind) {
        ([], _) => Some(kind),
        (_, ArgumentType::Record(inner)) => find(inner, rest),
        _ => None,
    }
}

/// The opaque part at or above a pointer.
fn opaque<'a>(parts: &'a Opaque, pointer: &str) -> Option<(&'a str, &'static str)> {
    parts
        .iter()
        .find(|(part, _)| {
            pointer
                .strip_prefix(part.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .map(|(part, why)| (part.as_str(), *why))
}

fn pointer(path: &[&str]) -> String {
    path.iter()
        .map(|segment| format!("/{}", crate::catalogue::escape(segment)))
        .collect()
}

fn name(tool: &Action) -> &str {
    tool.uid.eid().as_ref()
}

fn missing(tools: &[&Action], pointer: &str) -> String {
    match tools {
        [] => format!("no tool in the rule's scope is known, so none has the argument `{pointer}`"),
        [one] => format!("{} has no argument `{pointer}`", name(one)),
        several => format!(
            "none of the {} tools in the rule's scope has an argument `{pointer}`",
            several.len()
        ),
    }
}

fn has(tools: &[&Action]) -> String {
    match tools {
        [one] if one.fields.is_empty() => "it has no argument that rules can use".to_owned(),
        [one] => format!(
            "it has: {}",
            one.fields.keys().cloned().collect::<Vec<_>>().join(", ")
        ),
        _ => "name the tool in the scope (`action == Action::\"server/tool\"`) and see `remit tools ls`"
            .to_owned(),
    }
}
