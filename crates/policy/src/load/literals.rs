//! Brings the spelling of resources and destinations in a rule to the one that requests use.

use cedar_policy_core::ast::{Policy, PolicyID};
use cedar_policy_core::est;
use remit_core::destination::Destination;
use remit_core::resource::Resource;
use serde_json::Value;

use crate::names;

/// The rule with canonical literals; the same rule when all of them were.
///
/// # Errors
/// A sentence about the first literal that is no resource or destination.
pub(crate) fn canonical(policy: &Policy) -> Result<Policy, String> {
    let tree = est::Policy::from(policy.clone());
    let mut json = serde_json::to_value(&tree).map_err(|e| format!("it cannot be read back: {e}"))?;
    if !rewrite(&mut json)? {
        return Ok(policy.clone());
    }
    let id = PolicyID::from_string(AsRef::<str>::as_ref(policy.id()));
    serde_json::from_value::<est::Policy>(json)
        .map_err(|e| format!("it cannot be read back: {e}"))?
        .try_into_ast_policy(Some(id))
        .map_err(|e| format!("it cannot be read back: {e}"))
}

/// Entities are `{"type": …, "id": …}` in Cedar's JSON form, and nothing else has exactly these members.
fn rewrite(json: &mut Value) -> Result<bool, String> {
    match json {
        Value::Array(items) => items
            .iter_mut()
            .try_fold(false, |any, item| Ok(rewrite(item)? || any)),
        Value::Object(members) => {
            if let (2, Some(Value::String(kind)), Some(Value::String(id))) =
                (members.len(), members.get("type"), members.get("id"))
            {
                let canonical = match kind.as_str() {
                    "Resource" if id != "nothing" => {
                        names::resource_id(&id.parse::<Resource>().map_err(|e| e.to_string())?)
                    }
                    "Destination" => id.parse::<Destination>().map_err(|e| e.to_string())?.to_string(),
                    _ => return Ok(false),
                };
                let changed = canonical != *id;
                members.insert("id".to_owned(), Value::String(canonical));
                return Ok(changed);
            }
            members
                .values_mut()
                .try_fold(false, |any, member| Ok(rewrite(member)? || any))
        }
        _ => Ok(false),
    }
}
