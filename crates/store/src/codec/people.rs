//! Roles and labels as lists of their texts.

use std::collections::BTreeSet;

use remit_core::json::Value;
use remit_core::label::{Label, Labels};
use remit_core::people::Role;

use super::{BadJson, text_list, texts};

/// Writes roles.
#[must_use]
pub fn roles_to_json(roles: &BTreeSet<Role>) -> Value {
    text_list(roles)
}

/// Reads roles.
///
/// # Errors
/// [`BadJson`] names the first that is none.
pub fn roles_from_json(value: &Value) -> Result<BTreeSet<Role>, BadJson> {
    texts(value)
}

/// Writes labels.
#[must_use]
pub fn labels_to_json(labels: &Labels) -> Value {
    labels.iter().map(Label::text).collect()
}

/// Reads labels.
///
/// # Errors
/// [`BadJson`] names the first that is none.
pub fn labels_from_json(value: &Value) -> Result<Labels, BadJson> {
    let items = value
        .as_array()
        .ok_or_else(|| BadJson::new("", "a list of labels belongs here"))?;
    items
        .iter()
        .map(|item| {
            let label = item.as_str().and_then(Label::parse);
            label.ok_or_else(|| BadJson::new("", format!("{item} is not a label")))
        })
        .collect()
}
