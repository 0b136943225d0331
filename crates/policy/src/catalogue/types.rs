//! What an input schema (JSON Schema 2020-12) says about arguments, as far as Cedar can hold it.

use std::collections::BTreeMap;

use remit_core::json::{Object, Value};

/// The type of an argument in Cedar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArgumentType {
    /// String.
    Text,
    /// String, one of these.
    Choice(Vec<String>),
    /// Long.
    Long,
    /// Bool.
    Bool,
    /// Set; order and repetition are lost.
    Set(Box<ArgumentType>),
    /// Record of the declared properties Cedar can hold.
    Record(BTreeMap<String, Field>),
}

/// One declared property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Its type.
    pub kind: ArgumentType,
    /// Whether it must be there.
    pub required: bool,
}

/// A part of the arguments that Cedar cannot hold: JSON Pointer and why.
pub type Opaque = BTreeMap<String, &'static str>;

/// Deepest nesting that is typed; what lies deeper is opaque.
const DEPTH_MAX: usize = 6;

/// The record of a tool's arguments, and what of them is opaque.
#[must_use]
pub fn argument_types(schema: &Value) -> (BTreeMap<String, Field>, Opaque) {
    let mut reader = Reader {
        root: schema,
        opaque: Opaque::new(),
    };
    let fields = match schema.as_object() {
        Some(object) => reader.fields(object, "", 0),
        None => BTreeMap::new(),
    };
    (fields, reader.opaque)
}

struct Reader<'a> {
    root: &'a Value,
    opaque: Opaque,
}

impl<'a> Reader<'a> {
    fn fields(&mut self, schema: &'a Object, pointer: &str, depth: usize) -> BTreeMap<String, Field> {
        let required: Vec<&str> = schema
            .get("required")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
            return BTreeMap::new();
        };
        let mut fields = BTreeMap::new();
        for (name, property) in properties.iter() {
            let pointer = format!("{pointer}/{}", escape(name));
            match self.kind(property, &pointer, depth + 1) {
                Ok(kind) => {
                    let required = required.contains(&name);
                    fields.insert(name.to_owned(), Field { kind, required });
                }
                Err(why) => {
                    self.opaque.insert(pointer, why);
                }
            }
        }
        fields
    }

    fn kind(&mut self, schema: &'a Value, pointer: &str, depth: usize) -> Result<ArgumentType, &'static str> {
        if depth > DEPTH_MAX {
            return Err("nested too deeply or recursive");
        }
        let schema = schema.as_object().ok_or("anything is allowed there")?;
        if let Some(target) = schema.get("$ref") {
            let target = self
                .resolve(target)
                .ok_or("a reference that leads nowhere here")?;
            return self.kind(target, pointer, depth + 1);
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            return choice(choices);
        }
        match declared_type(schema)? {
            "string" => Ok(schema
                .get("const")
                .and_then(Value::as_str)
                .map_or(ArgumentType::Text, |only| {
                    ArgumentType::Choice(vec![only.to_owned()])
                })),
            "integer" => Ok(ArgumentType::Long),
            "boolean" => Ok(ArgumentType::Bool),
            "number" => Err("a number with a fraction"),
            "null" => Err("null"),
            "array" => {
                if schema.get("prefixItems").is_some() {
                    return Err("an array whose places have different types");
                }
                let items = schema.get("items").ok_or("an array of anything")?;
                let mut inner = Reader {
                    root: self.root,
                    opaque: Opaque::new(),
                };
                let kind = inner.kind(items, "", depth + 1)?;
                // A set with parts missing from its elements would match what it should not.
                if inner.opaque.is_empty() {
                    Ok(ArgumentType::Set(Box::new(kind)))
                } else {
                    Err("an array whose items are partly opaque")
                }
            }
            "object" => {
                if schema.get("properties").is_none() {
                    return Err("an open map");
                }
                Ok(ArgumentType::Record(self.fields(schema, pointer, depth)))
            }
            _ => Err("a type JSON Schema does not have"),
        }
    }

    /// `#/$defs/name` and the like: inside this schema only.
    fn resolve(&self, target: &Value) -> Option<&'a Value> {
        self.root.pointer(target.as_str()?.strip_prefix('#')?)
    }
}

fn declared_type(schema: &Object) -> Result<&str, &'static str> {
    match schema.get("type") {
        Some(Value::String(one)) => Ok(one),
        Some(Value::Array(several)) => match several.as_slice() {
            [Value::String(one)] => Ok(one),
            _ => Err("a union of types"),
        },
        _ if schema.get("properties").is_some() => Ok("object"),
        _ if ["anyOf", "oneOf", "allOf"]
            .iter()
            .any(|k| schema.get(k).is_some()) =>
        {
            Err("a union of types")
        }
        _ => Err("no type is declared"),
    }
}

fn choice(choices: &[Value]) -> Result<ArgumentType, &'static str> {
    if choices.iter().all(|c| c.as_str().is_some()) {
        let texts = choices.iter().filter_map(Value::as_str).map(str::to_owned);
        Ok(ArgumentType::Choice(texts.collect()))
    } else if choices.iter().all(|c| c.as_i64().is_some()) {
        Ok(ArgumentType::Long)
    } else if choices.iter().all(|c| c.as_bool().is_some()) {
        Ok(ArgumentType::Bool)
    } else {
        Err("a union of types")
    }
}

/// A key as a segment of a JSON Pointer (RFC 6901).
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::json::{Bounds, parse};

    fn types(schema: &str) -> (BTreeMap<String, Field>, Opaque) {
        argument_types(&parse(schema.as_bytes(), &Bounds::REQUEST).unwrap())
    }

    #[test]
    fn what_cedar_holds_is_typed_and_the_rest_is_listed() {
        let (fields, opaque) = types(
            r##"{"type":"object","required":["path"],"properties":{
            "path":{"type":"string"},"mode":{"enum":["a","b"]},"count":{"type":"integer"},"dry":{"type":"boolean"},
            "tags":{"type":"array","items":{"type":"string"}},"at":{"$ref":"#/$defs/point"},
            "ratio":{"type":"number"},"either":{"anyOf":[{"type":"string"},{"type":"null"}]},"maybe":{"type":["string","null"]},
            "map":{"type":"object","additionalProperties":{"type":"string"}},"tree":{"$ref":"#/$defs/tree"},"any":{},
            "a/b":{"type":"null"}},
            "$defs":{"point":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"number"}}},
                     "tree":{"type":"object","properties":{"child":{"$ref":"#/$defs/tree"}}}}}"##,
        );
        assert!(fields["path"].required && !fields["mode"].required);
        assert_eq!(
            fields["mode"].kind,
            ArgumentType::Choice(vec!["a".into(), "b".into()])
        );
        assert_eq!(
            fields["tags"].kind,
            ArgumentType::Set(Box::new(ArgumentType::Text))
        );
        let ArgumentType::Record(point) = &fields["at"].kind else {
            panic!("a record")
        };
        assert_eq!(point.keys().collect::<Vec<_>>(), ["x"]);
        let names: Vec<&str> = opaque.keys().map(String::as_str).collect();
        for name in ["/any", "/at/y", "/a~1b", "/either", "/map", "/maybe", "/ratio"] {
            assert!(names.contains(&name), "{name} in {names:?}");
        }
        assert!(names.iter().any(|n| n.starts_with("/tree/child")), "{names:?}");
    }

    #[test]
    fn a_set_never_loses_parts_of_its_items() {
        let (fields, opaque) = types(
            r#"{"properties":{"edits":{"type":"array","items":{"type":"object","properties":{"n":{"type":"number"}}}}}}"#,
        );
        assert!(fields.is_empty());
        assert_eq!(opaque.keys().collect::<Vec<_>>(), ["/edits"]);
    }
}
