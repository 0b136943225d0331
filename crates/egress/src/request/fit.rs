//! Further conditions of an operation: values in the query, the body, a header.

use remit_core::json::Value;

use super::Head;
use super::body::Decoded;
use crate::describe::Operation;

/// True when every condition holds.
pub(super) fn holds(operation: &Operation, head: &Head, decoded: &Decoded) -> bool {
    operation.when.iter().all(|(at, wanted)| {
        let (place, name) = at.split_once('.').unwrap_or_default();
        let found: Option<String> = match place {
            "query" => head.target.parameter(name).map(str::to_owned),
            "header" => {
                let mut values = head.headers.iter().filter(|(header, _)| header == name);
                values
                    .next()
                    .filter(|_| values.next().is_none())
                    .map(|(_, value)| value.clone())
            }
            _ => decoded.object().and_then(|body| {
                let mut value = body.get(name.split('.').next()?)?;
                for part in name.split('.').skip(1) {
                    value = value.get(part)?;
                }
                value.as_str().map(str::to_owned).or_else(|| match value {
                    Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
                    _ => None,
                })
            }),
        };
        found.is_some_and(|found| wanted == "*" || found == *wanted)
    })
}
