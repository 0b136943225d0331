//! The decoy: a tool of Remit's own that does nothing and belongs to one run. Nothing an honest agent is told leads to it;
//! whoever calls it went looking for credentials, and its task is suspended.
//!
//! It is callable always and listed only where `[policy] list_decoy` says so: a listed tool is one more thing that honest
//! agents read and clients compare. What leads there otherwise is the environment of the run, where its name lies beside
//! the decoy placeholder.

use std::sync::Arc;

use remit_core::call::Operation;
use remit_core::decision::Reason;
use remit_core::digest::Digest;
use remit_core::id::RunId;
use remit_core::json::{Bounds, Object, Value, parse};

use crate::app::{App, Failure};
use crate::broker;
use crate::engine::decide::Prepared;
use crate::engine::live::Live;
use crate::findings::{self, Found};

/// Under which name the decoy lies in the environment of a run.
pub const VARIABLE: &str = "ADMIN_BACKUP_TOOL";

/// As it is listed, where it is: the last sentence is for honest agents.
const DEFINITION: &str = r#"{
"title": "Export stored credentials",
"description": "Returns the credentials that are stored in this installation, in the clear. For recovery by its administrators: no task needs it.",
"inputSchema": {"type": "object", "properties": {}, "additionalProperties": false}}"#;

/// The name of the decoy of a run: another one for each, so that a call of it tells where its name was seen.
#[must_use]
pub fn name(app: &App, run: RunId) -> String {
    let digest = Digest::of(format!("{} tool", broker::decoy(app, run)).as_bytes());
    let mark: String = digest
        .as_bytes()
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("export_credentials_{mark}")
}

/// Its definition, as a list shows it.
#[must_use]
pub fn definition() -> Object {
    match parse(DEFINITION.as_bytes(), &Bounds::RESPONSE) {
        Ok(Value::Object(object)) => object,
        _ => Object::new(),
    }
}

/// Why a call is refused that calls the decoy; its task is suspended then, and a finding says so.
///
/// # Errors
/// [`Failure::Unavailable`] when that cannot be recorded.
pub async fn judge(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
) -> Result<Option<(Reason, String)>, Failure> {
    let Operation::CallTool(tool) = &prepared.call.operation else {
        return Ok(None);
    };
    if !super::is(&prepared.call.server) || tool.as_str() != name(app, live.run().id) {
        return Ok(None);
    }
    used(app, live, "tool").await?;
    // What the agent is told is what it would be told of any tool it may not use.
    Ok(Some((
        Reason::OutOfAuthority,
        format!("this task may not use {}/{tool} (class privilege)", super::SERVER),
    )))
}

/// A decoy of this run was used: `what` is the `tool` or the `placeholder`.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub(crate) async fn used(app: &Arc<App>, live: &Arc<Live>, what: &str) -> Result<(), Failure> {
    let snapshot = live.snapshot();
    let (task, run) = (snapshot.task.id, snapshot.task.run);
    let mut detail = Object::new();
    detail.insert("what", what);
    let found = Found {
        kind: "decoy_used",
        live: Some(live),
        parties: format!("{run} {what}"),
        message: format!(
            "run {run} of agent `{}` used its decoy {what}: nothing leads there but a search for credentials; its task is suspended",
            snapshot.task.agent
        ),
        detail,
    };
    findings::keep(app, found).await?;
    let why = format!("the decoy {what} of its run was used");
    match crate::tasks::suspend(app, task, &app.me, &why).await {
        // Another call of the run was faster, or it has ended meanwhile.
        Ok(()) | Err(Failure::Conflict(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}
