//! Sentences with particulars: what a denial or a hold tells the agent and people.

use remit_core::call::Operation;

use crate::context::class;
use crate::facts::Facts;

const PLACEHOLDERS: [&str; 7] = [
    "tool",
    "resource",
    "destinations",
    "agent",
    "initiator",
    "class",
    "budgets",
];

/// The first `{name}` in a message that stands for nothing.
pub(crate) fn unknown_placeholder(message: &str) -> Option<&str> {
    message
        .split('{')
        .skip(1)
        .filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
        .find(|name| !PLACEHOLDERS.contains(name))
}

/// The message with its placeholders filled in, in one pass: what is filled in is never read again.
pub(crate) fn fill(message: &str, facts: &Facts<'_>) -> String {
    let mut out = String::with_capacity(message.len() + 64);
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((name, tail)) = after.split_once('}') else {
            out.push('{');
            rest = after;
            continue;
        };
        match name {
            "tool" => out.push_str(&what(facts)),
            "resource" => out.push_str(&resources(facts)),
            "destinations" => out.push_str(&list(facts.call.destinations.iter())),
            "agent" => out.push_str(facts.principal.task.agent.as_str()),
            "initiator" => out.push_str(facts.principal.task.initiator.as_str()),
            "class" => out.push_str(class(facts).as_str()),
            "budgets" => out.push_str(&budgets(facts)),
            other => {
                out.push('{');
                out.push_str(other);
                out.push('}');
            }
        }
        rest = tail;
    }
    out.push_str(rest);
    out
}

/// The call in a few words: `fs/write_file`, or `resources/read file:///x on fs`.
pub(crate) fn what(facts: &Facts<'_>) -> String {
    let call = facts.call;
    match &call.operation {
        Operation::CallTool(tool) => format!("{}/{tool}", call.server),
        other => format!("{} {} on {}", other.method(), other.target(), call.server),
    }
}

/// What it touches.
pub(crate) fn resources(facts: &Facts<'_>) -> String {
    if facts.call.resources.is_empty() {
        "nothing identifiable".to_owned()
    } else {
        list(facts.call.resources.iter())
    }
}

/// What would be overrun, with the amounts.
fn budgets(facts: &Facts<'_>) -> String {
    let all: Vec<String> = facts.exhausted.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// At most four, then how many more.
pub(crate) fn list<T: std::fmt::Display>(items: impl ExactSizeIterator<Item = T>) -> String {
    let total = items.len();
    let mut shown: Vec<String> = items.take(4).map(|item| format!("`{item}`")).collect();
    if total > shown.len() {
        shown.push(format!("{} more", total - shown.len()));
    }
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_known_at_load() {
        assert_eq!(unknown_placeholder("{tool} may not touch {resource}"), None);
        assert_eq!(unknown_placeholder("{tool} and {tol}"), Some("tol"));
        assert_eq!(unknown_placeholder("a { alone"), None);
    }
}
