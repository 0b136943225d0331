//! Annotations: who a rule is, why it refuses, what it says, whom it asks.

use std::collections::BTreeSet;

use cedar_policy_core::ast::Policy;
use remit_core::decision::Reason;
use remit_core::people::Role;

use super::File;
use crate::message::unknown_placeholder;
use crate::problem::Problem;

/// What the annotations of one rule say.
#[derive(Default)]
pub(crate) struct Annotations {
    pub id: String,
    pub reason: Option<Reason>,
    pub message: Option<String>,
    pub approvers: BTreeSet<Role>,
    pub strong: bool,
}

/// Reads them; problems go to `problems`. `None` when the rule has no usable id.
pub(crate) fn read(
    file: &File<'_>,
    policy: &Policy,
    groups: &BTreeSet<Role>,
    problems: &mut Vec<Problem>,
) -> Option<Annotations> {
    let mut out = Annotations::default();
    for (key, annotation) in policy.annotations() {
        let value = annotation.val.as_str();
        let problem = |sentence: String| file.problem(annotation.loc.as_ref().or(policy.loc()), sentence);
        match AsRef::<str>::as_ref(key) {
            "id" if is_id(value) => value.clone_into(&mut out.id),
            "id" => problems
                .push(problem(format!("`{value}` cannot be a rule id")).fix("use a-z, 0-9, `.`, `-`, `_`")),
            "reason" => match Reason::parse(value) {
                Some(reason) => out.reason = Some(reason),
                None => problems.push(
                    problem(format!("`{value}` is not a reason"))
                        .fix("take one from docs/reasons.md, for example `resource_policy`"),
                ),
            },
            "message" => {
                if let Some(name) = unknown_placeholder(value) {
                    problems.push(
                        problem(format!("`{{{name}}}` is not something a message can show"))
                            .fix("use {tool}, {resource}, {destinations}, {agent}, {initiator}, {class} or {budgets}"),
                    );
                }
                out.message = Some(value.to_owned());
            }
            "approvers" => {
                for name in value.split(',').map(str::trim) {
                    match name.parse::<Role>() {
                        Ok(role @ Role::Group(_)) if !groups.contains(&role) => problems.push(
                            problem(format!("no human is in the approver group `{name}`")).fix(format!(
                                "add one with `remit human add NAME --role {name}`, or name another group"
                            )),
                        ),
                        Ok(role) => {
                            out.approvers.insert(role);
                        }
                        Err(error) => problems.push(problem(error.to_string())),
                    }
                }
            }
            "strong" => match value {
                "yes" => out.strong = true,
                _ => problems.push(problem(format!("`@strong` is `yes` or absent, not `{value}`"))),
            },
            "note" => {}
            other => problems.push(
                problem(format!("there is no annotation `@{other}`"))
                    .fix("use @id, @reason, @message, @approvers, @strong or @note"),
            ),
        }
    }
    if out.id.is_empty() {
        if policy
            .annotations()
            .any(|(key, _)| AsRef::<str>::as_ref(key) == "id")
        {
            return None;
        }
        problems.push(
            file.problem(policy.loc(), "the rule has no `@id`")
                .fix("write `@id(\"team.what-it-does\")` before it"),
        );
        return None;
    }
    Some(out)
}

fn is_id(text: &str) -> bool {
    let letters = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-_".contains(&b);
    !text.is_empty() && text.len() <= 80 && text.bytes().all(letters)
}
