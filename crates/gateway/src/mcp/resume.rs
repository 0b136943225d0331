//! The built-in tool `remit__resume`: how an agent comes back for a call that waited for a person.

use remit_core::id::ApprovalId;
use remit_core::json::{Object, Value};
use remit_core::object;

/// Its name on every endpoint.
pub(crate) const NAME: &str = "remit__resume";

const DESCRIPTION: &str = "Fetches the result of a call that had to wait for a person's approval. When a call was \
answered with `decision: hold`, pass its `approval_id` here: if the call has been approved it is executed once, \
exactly as it was asked, and its result is returned; if it is still waiting or was denied, that is returned. \
Repeating the identical call does the same.";

/// Its definition as listed.
pub(crate) fn definition() -> Object {
    let tool = object! {
        "name": NAME,
        "title": "Resume a held call",
        "description": DESCRIPTION,
        "inputSchema": object! {
            "type": "object",
            "properties": object! {
                "approval_id": object! {
                    "type": "string",
                    "description": "the `approval_id` of the held call, `apr_` and 26 characters",
                },
            },
            "required": remit_core::array!["approval_id"],
            "additionalProperties": false,
        },
    };
    match tool {
        Value::Object(tool) => tool,
        _ => Object::new(),
    }
}

/// Reads its arguments.
///
/// # Errors
/// A sentence for the agent.
pub(crate) fn approval(arguments: &Object) -> Result<ApprovalId, String> {
    if let Some(extra) = arguments.keys().find(|key| *key != "approval_id") {
        let shown: String = extra.chars().take(80).flat_map(char::escape_debug).collect();
        return Err(format!(
            "`{NAME}` has no argument `{shown}`: give `approval_id` alone"
        ));
    }
    match arguments.get("approval_id").and_then(Value::as_str) {
        Some(text) => text
            .parse()
            .map_err(|bad: remit_core::id::BadId| format!("`approval_id`: {bad}")),
        None => Err(format!(
            "`{NAME}` needs `approval_id`: the one in the answer of the held call"
        )),
    }
}
