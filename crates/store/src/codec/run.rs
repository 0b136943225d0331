//! The process of a run as JSON.

use remit_core::json::Value;
use remit_core::object;

use super::{BadJson, Fields};
use crate::runs::Process;

/// Writes what the kernel said about a run's process.
#[must_use]
pub fn process_to_json(process: Process) -> Value {
    object! { "pid": process.pid, "started": process.started, "uid": process.uid }
}

/// Reads what the kernel said about a run's process.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn process_from_json(value: &Value) -> Result<Process, BadJson> {
    let mut fields = Fields::of(value)?;
    let process = Process {
        pid: fields.int("pid")?,
        started: fields.int("started")?,
        uid: fields.int("uid")?,
    };
    fields.end()?;
    Ok(process)
}
