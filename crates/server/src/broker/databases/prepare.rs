//! From a statement to the call that is decided: its class picks the tool, its tables are the resources.

use remit_broker::sql::{Inspection, inspect};
use remit_core::call::{Call, Operation};
use remit_core::decision::Reason;
use remit_core::json::Value;
use remit_core::resource::Resource;
use remit_core::tool::{ToolClass, ToolRef};
use remit_core::verb::Verb;
use remit_store::servers::Transport;

use super::{STATEMENT, TOOLS, tool_of};
use crate::engine::live::Snapshot;
use crate::registry::snapshot::ServerEntry;

/// Understands the statement of a call to a database and names the tool it is judged as. `None` for other servers.
///
/// # Errors
/// Why it is refused by what it is.
pub(crate) fn judge(server: &ServerEntry, call: &mut Call) -> Result<Option<Inspection>, (Reason, String)> {
    let Transport::Database(schema) = &server.server.transport else {
        return Ok(None);
    };
    let Operation::CallTool(tool) = &call.operation else {
        return Ok(None);
    };
    if !TOOLS.iter().any(|(name, _)| *name == tool.as_str()) {
        return Ok(None);
    }
    let Some(text) = call.arguments.get(STATEMENT).and_then(Value::as_str) else {
        return Err((
            Reason::ParameterViolation,
            format!("`{STATEMENT}` has to be the text of one statement"),
        ));
    };
    let not_inspectable = |why: &dyn std::fmt::Display| (Reason::NotInspectable, why.to_string());
    let inspection = inspect(text, schema).map_err(|why| not_inspectable(&why))?;
    let judged = tool_of(inspection.class).and_then(|name| name.parse().ok());
    let judged = judged.ok_or_else(|| not_inspectable(&"nothing stands for what this statement does"))?;
    call.resources = inspection
        .resources(&call.server)
        .map_err(|why| not_inspectable(&why))?;
    call.operation = Operation::CallTool(judged);
    Ok(Some(inspection))
}

/// What the statement of a call does with which tables; `None` where it cannot be told by tables.
pub(crate) fn verbs(server: &ServerEntry, call: &Call) -> Option<Vec<(Resource, Verb)>> {
    let Transport::Database(schema) = &server.server.transport else {
        return None;
    };
    let text = call.arguments.get(STATEMENT).and_then(Value::as_str)?;
    let inspection = inspect(text, schema)
        .ok()
        .filter(|inspection| !inspection.whole)?;
    let mut verbs = Vec::new();
    for (table, verb) in &inspection.uses {
        verbs.push((table.resource(&call.server).ok()?, *verb));
    }
    Some(verbs)
}

/// A change that reads needs the right to read too: `RETURNING` and subqueries are answers like any other.
pub(crate) fn missing_read(
    server: &ServerEntry,
    snapshot: &Snapshot,
    call: &Call,
) -> Option<(Reason, String)> {
    let Transport::Database(schema) = &server.server.transport else {
        return None;
    };
    let text = call.arguments.get(STATEMENT).and_then(Value::as_str)?;
    let inspection = inspect(text, schema)
        .ok()
        .filter(|inspection| inspection.reads_too)?;
    let query = ToolRef {
        server: call.server.clone(),
        tool: tool_of(ToolClass::Read)?.parse().ok()?,
    };
    (!snapshot.task.authority.selects(&query, ToolClass::Read)).then(|| {
        (
            Reason::OutOfAuthority,
            format!(
                "this {} reads rows, too, and the task may not use `{query}`: leave out what reads (WHERE, RETURNING, queries inside)",
                inspection.verb
            ),
        )
    })
}
