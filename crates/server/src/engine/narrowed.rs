//! What a task may do with a resource, where it says more about it than that it may be touched: `--resource erp:public/b#insert`.

use remit_core::call::Operation;
use remit_core::decision::Reason;
use remit_core::resource::Resource;
use remit_core::tool::ToolClass;
use remit_core::verb::{Narrowed, Verb};

use super::decide::Prepared;
use super::live::Snapshot;
use crate::tasks::builtin;

/// Why the task may not do this with what the call touches.
pub(crate) fn judge(snapshot: &Snapshot, prepared: &Prepared) -> Option<(Reason, String)> {
    let narrowed = &snapshot.task.authority.narrowed;
    if narrowed.0.is_empty() || builtin::is(&prepared.call.server) {
        return None;
    }
    let all = match &prepared.server {
        Some(server) if server.is_database() => {
            crate::broker::databases::prepare::verbs(server, &prepared.call)
        }
        _ => None,
    };
    let all = all.unwrap_or_else(|| {
        let verb = Verb::Class(class(prepared));
        let touched = prepared.call.resources.iter();
        touched.map(|resource| (resource.clone(), verb)).collect()
    });
    let refused = all
        .iter()
        .find(|(resource, verb)| !narrowed.allows(resource, *verb));
    refused.map(|(resource, verb)| (Reason::OutOfAuthority, sentence(narrowed, resource, *verb)))
}

fn class(prepared: &Prepared) -> ToolClass {
    match (prepared.classification(), &prepared.call.operation) {
        (Some(classification), _) => classification.class,
        (None, Operation::AnswerServer(_)) => ToolClass::Transfer,
        (None, Operation::CallTool(_) | Operation::Issue(_)) => ToolClass::Privilege,
        (None, _) => ToolClass::Read,
    }
}

fn sentence(narrowed: &Narrowed, resource: &Resource, verb: Verb) -> String {
    let held: Vec<String> = narrowed
        .0
        .iter()
        .filter(|(root, _)| root.covers(resource) || resource.covers(root))
        .map(|(root, verbs)| format!("`{root}` for {}", Narrowed::text(verbs)))
        .collect();
    format!(
        "this does {verb} with `{resource}`, and the task holds {} only",
        held.join(", ")
    )
}
