//! Calls as JSON: the stored bytes a hold executes later.

use remit_core::call::{Call, Operation};
use remit_core::digest::Digest;
use remit_core::json::Value;
use remit_core::object;

use super::{BadJson, Fields, text_list};

/// Writes a call.
#[must_use]
pub fn call_to_json(call: &Call) -> Value {
    object! {
        "server": call.server.as_str(),
        "server_identity": call.server_identity.to_string(),
        "method": call.operation.method(),
        "target": call.operation.target(),
        "fingerprint": call.fingerprint.to_string(),
        "arguments": call.arguments.clone(),
        "resources": text_list(&call.resources),
        "destinations": text_list(&call.destinations),
        "opaque": text_list(&call.opaque),
    }
}

/// Reads a call.
///
/// # Errors
/// [`BadJson`] says where it is wrong.
pub fn call_from_json(value: &Value) -> Result<Call, BadJson> {
    let mut fields = Fields::of(value)?;
    let (method, target) = (fields.text("method")?, fields.text("target")?);
    let operation = Operation::parse(&method, &target)
        .ok_or_else(|| BadJson::new("method", format!("`{method}` of `{target}` is not an operation")))?;
    let Value::Object(arguments) = fields.need("arguments")? else {
        return Err(BadJson::new("arguments", "an object belongs here"));
    };
    let call = Call {
        server: fields.parsed("server")?,
        server_identity: fields.word("server_identity", Digest::parse)?,
        operation,
        fingerprint: fields.word("fingerprint", Digest::parse)?,
        arguments,
        resources: fields.parsed_list("resources")?,
        destinations: fields.parsed_list("destinations")?,
        opaque: fields.parsed_list::<String, _>("opaque")?,
    };
    fields.end()?;
    Ok(call)
}
