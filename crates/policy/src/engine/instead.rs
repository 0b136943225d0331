//! What of the caller's own task would be allowed instead: for the agent, so that it does not improvise.

use remit_core::authority::Scope;
use remit_core::call::Operation;
use remit_core::tool::ToolRef;

use crate::catalogue::Catalogue;
use crate::context::class;
use crate::facts::Facts;

const SHOWN: usize = 8;

/// Tools, classes, roots, destinations of the task that have to do with the call; each one line.
pub(crate) fn allowed(catalogue: &Catalogue, facts: &Facts<'_>) -> Vec<String> {
    let authority = &facts.principal.task.authority;
    let call = facts.call;
    let mut lines = Vec::new();
    let selected = match &call.operation {
        Operation::CallTool(tool) => {
            let tool = ToolRef {
                server: call.server.clone(),
                tool: tool.clone(),
            };
            authority.selects(&tool, class(facts))
        }
        _ => true,
    };
    if !selected {
        let mut tools: Vec<String> = catalogue
            .tools
            .iter()
            .filter(|(tool, _)| tool.server == call.server)
            .filter(|(tool, action)| action.class.is_some_and(|class| authority.selects(tool, class)))
            .map(|(tool, _)| tool.to_string())
            .collect();
        if tools.is_empty() {
            tools = authority.tools.iter().map(ToString::to_string).collect();
        }
        push(&mut lines, "tools", tools);
        push(
            &mut lines,
            "classes",
            authority.classes.iter().map(ToString::to_string).collect(),
        );
    }
    if let Scope::Only(roots) = &authority.resources {
        push(
            &mut lines,
            "resources",
            roots.iter().map(ToString::to_string).collect(),
        );
    }
    if let (false, Scope::Only(places)) = (call.destinations.is_empty(), &authority.destinations) {
        push(
            &mut lines,
            "destinations",
            places.iter().map(ToString::to_string).collect(),
        );
    }
    lines
}

fn push(lines: &mut Vec<String>, what: &str, mut items: Vec<String>) {
    if items.is_empty() {
        lines.push(format!("{what}: none"));
        return;
    }
    let more = items.len().saturating_sub(SHOWN);
    items.truncate(SHOWN);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    lines.push(format!("{what}: {}{tail}", items.join(", ")));
}
