//! Further conditions of an operation: values in the query, the body, a header.

use remit_core::json::Value;

use super::Head;
use super::body::Decoded;
use crate::describe::Operation;
use crate::refusal::{Refusal, shown};

/// What a condition finds.
enum Found {
    Nothing,
    One(String),
    /// More than one value, or none that is a text: systems differ in which of them counts.
    Unclear,
}

/// True when every condition holds.
///
/// # Errors
/// [`Refusal`]: a condition asks for a value that is there more than once, or is none.
pub(super) fn holds(operation: &Operation, head: &Head, decoded: &Decoded) -> Result<bool, Refusal> {
    for (at, wanted) in &operation.when {
        let (place, name) = at.split_once('.').unwrap_or_default();
        let found = match place {
            "query" => one(head
                .target
                .query()
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.clone().unwrap_or_default())),
            "header" => one(head
                .headers
                .iter()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.clone())),
            _ => in_body(decoded, name),
        };
        match found {
            Found::Nothing => return Ok(false),
            Found::One(_) | Found::Unclear if wanted == "*" => {}
            Found::One(found) if found == *wanted => {}
            Found::One(_) => return Ok(false),
            Found::Unclear => {
                return Err(Refusal::opaque(format!(
                    "`{}` says what the request is, and has not exactly one value: systems differ in which of them counts",
                    shown(at)
                )));
            }
        }
    }
    Ok(true)
}

fn one(mut values: impl Iterator<Item = String>) -> Found {
    match (values.next(), values.next()) {
        (None, _) => Found::Nothing,
        (Some(value), None) => Found::One(value),
        (Some(_), Some(_)) => Found::Unclear,
    }
}

fn in_body(decoded: &Decoded, name: &str) -> Found {
    let found = decoded.object().and_then(|body| {
        let mut parts = name.split('.');
        let mut value = body.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(value)
    });
    match found {
        None => Found::Nothing,
        Some(Value::String(text)) => Found::One(text.clone()),
        Some(value @ (Value::Number(_) | Value::Bool(_))) => Found::One(value.to_string()),
        Some(_) => Found::Unclear,
    }
}
