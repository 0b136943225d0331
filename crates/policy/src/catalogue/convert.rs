//! Arguments of one call as a Cedar record, guided by their types.

use std::collections::BTreeMap;

use cedar_policy_core::ast::Value as Cedar;
use remit_core::json::{Object, Value};

use super::types::{ArgumentType, Field, escape};
use crate::values;

/// A required argument is missing or is not what the input schema says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit(pub String);

/// The record, and pointers of everything in `arguments` it does not hold.
pub(crate) fn arguments(
    fields: &BTreeMap<String, Field>,
    arguments: &Object,
    opaque: &mut Vec<String>,
) -> Result<Cedar, Misfit> {
    record(fields, arguments, &mut String::new(), opaque)
}

fn record(
    fields: &BTreeMap<String, Field>,
    object: &Object,
    at: &mut String,
    opaque: &mut Vec<String>,
) -> Result<Cedar, Misfit> {
    for (name, field) in fields {
        if field.required && !object.contains_key(name) {
            return Err(Misfit(format!("{at}/{}", escape(name))));
        }
    }
    let mut members = Vec::with_capacity(object.len());
    for (name, member) in object.iter() {
        let before = at.len();
        at.push('/');
        at.push_str(&escape_cow(name));
        match fields.get(name) {
            None => opaque.push(at.clone()),
            Some(field) => match value(&field.kind, member, at, opaque) {
                Ok(cedar) => members.push((name, cedar)),
                Err(misfit) if field.required => return Err(misfit),
                Err(_) => opaque.push(at.clone()),
            },
        }
        at.truncate(before);
    }
    Ok(Cedar::record(members, None))
}

fn escape_cow(key: &str) -> std::borrow::Cow<'_, str> {
    if key.contains(['~', '/']) {
        escape(key).into()
    } else {
        key.into()
    }
}

fn value(
    kind: &ArgumentType,
    value_: &Value,
    at: &mut String,
    opaque: &mut Vec<String>,
) -> Result<Cedar, Misfit> {
    let fits = match (kind, value_) {
        (ArgumentType::Text | ArgumentType::Choice(_), Value::String(text)) => Some(values::text(text)),
        (ArgumentType::Long, Value::Number(number)) => number.as_i64().map(values::long),
        (ArgumentType::Bool, Value::Bool(yes)) => Some(values::boolean(*yes)),
        (ArgumentType::Set(item), Value::Array(items)) => {
            let mut members = Vec::with_capacity(items.len());
            for element in items {
                let mut inside = Vec::new();
                let member = value(item, element, at, &mut inside)?;
                if !inside.is_empty() {
                    // An undeclared part inside an element: the set would no longer say what the call says.
                    return Err(Misfit(at.clone()));
                }
                members.push(member);
            }
            Some(Cedar::set(members, None))
        }
        (ArgumentType::Record(fields), Value::Object(object)) => Some(record(fields, object, at, opaque)?),
        _ => None,
    };
    fits.ok_or_else(|| Misfit(at.clone()))
}

#[cfg(test)]
mod tests {
    use super::super::types::argument_types;
    use super::*;
    use remit_core::json::{Bounds, parse};

    fn convert(schema: &str, arguments_: &str) -> (Result<String, Misfit>, Vec<String>) {
        let schema = parse(schema.as_bytes(), &Bounds::REQUEST).unwrap();
        let (fields, _) = argument_types(&schema);
        let given = parse(arguments_.as_bytes(), &Bounds::REQUEST).unwrap();
        let mut opaque = Vec::new();
        let made = arguments(&fields, given.as_object().unwrap(), &mut opaque);
        (made.map(|v| v.to_string()), opaque)
    }

    const SCHEMA: &str = r#"{"properties":{"path":{"type":"string"},"n":{"type":"integer"},"list":{"type":"array","items":{"type":"integer"}},
        "o":{"type":"object","properties":{"a":{"type":"string"}}}},"required":["path"]}"#;

    #[test]
    fn undeclared_and_unfitting_parts_are_opaque_not_dropped_silently() {
        let (made, opaque) = convert(SCHEMA, r#"{"path":"x","n":1.5,"o":{"a":"y","b":1},"z":true}"#);
        assert_eq!(made.unwrap(), r#"{o: {a: "y"}, path: "x"}"#);
        assert_eq!(opaque, ["/n", "/o/b", "/z"]);
    }

    #[test]
    fn a_required_argument_that_does_not_fit_is_a_misfit() {
        assert_eq!(convert(SCHEMA, r#"{"path":7}"#).0, Err(Misfit("/path".into())));
        assert_eq!(convert(SCHEMA, "{}").0, Err(Misfit("/path".into())));
    }

    #[test]
    fn a_set_is_held_whole_or_not_at_all() {
        let (made, opaque) = convert(SCHEMA, r#"{"path":"x","list":[1,2.5]}"#);
        assert_eq!(made.unwrap(), r#"{path: "x"}"#);
        assert_eq!(opaque, ["/list"]);
    }
}
