//! Arguments that a tool wants mirrored into `Mcp-Param-*` headers (`x-mcp-header`, MCP 2026-07-28, SEP-2243).

use std::collections::BTreeSet;

use http::HeaderName;
use remit_core::json::{Object, Value};

const ANNOTATION: &str = "x-mcp-header";

/// One argument that is mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MirroredHeader {
    /// `mcp-param-…`.
    pub(crate) header: HeaderName,
    /// Member names from the arguments down.
    pub(crate) path: Vec<String>,
}

/// What the tool's `inputSchema` wants mirrored.
///
/// # Errors
/// A sentence: the annotation is used where or how the revision forbids it, and such a tool must not be listed.
pub fn mirrored_headers(tool: &Object) -> Result<Vec<MirroredHeader>, String> {
    let mut found = Found::default();
    if let Some(schema) = tool.get("inputSchema") {
        found.schema(schema, true)?;
    }
    Ok(found.headers)
}

impl MirroredHeader {
    /// The header's value before encoding; `None` when the argument is absent or null.
    pub(crate) fn value(&self, arguments: &Object) -> Option<String> {
        let (last, before) = self.path.split_last()?;
        let mut at = arguments;
        for name in before {
            at = at.get(name)?.as_object()?;
        }
        match at.get(last)? {
            Value::String(text) => Some(text.clone()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(number) => Some(number.lexeme().into_owned()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }
}

#[derive(Default)]
struct Found {
    headers: Vec<MirroredHeader>,
    names: BTreeSet<String>,
    path: Vec<String>,
}

impl Found {
    /// `reachable`: through `properties` alone.
    fn schema(&mut self, schema: &Value, reachable: bool) -> Result<(), String> {
        let Value::Object(schema) = schema else {
            return schema
                .as_array()
                .unwrap_or_default()
                .iter()
                .try_for_each(|item| self.schema(item, false));
        };
        if let Some(annotation) = schema.get(ANNOTATION) {
            self.annotated(annotation, schema.get("type"), reachable)?;
        }
        for (keyword, inner) in schema.iter() {
            match (keyword, inner) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties.iter() {
                        self.path.push(name.to_owned());
                        self.schema(property, reachable)?;
                        self.path.pop();
                    }
                }
                ("patternProperties" | "$defs" | "definitions" | "dependentSchemas", Value::Object(map)) => {
                    map.values().try_for_each(|inner| self.schema(inner, false))?;
                }
                // Data, not schemas.
                ("enum" | "const" | "default" | "examples", _) => {}
                (_, inner) => self.schema(inner, false)?,
            }
        }
        Ok(())
    }

    fn annotated(&mut self, annotation: &Value, kind: Option<&Value>, reachable: bool) -> Result<(), String> {
        let place = self.path.join("/");
        let bad = |why: &str| Err(format!("`{ANNOTATION}` of `{}`: {why}", place.escape_debug()));
        let Some(name) = annotation.as_str() else {
            return bad("it must be text");
        };
        let Ok(header) = HeaderName::try_from(format!("mcp-param-{name}")) else {
            return bad("it cannot be part of a header name");
        };
        if name.is_empty() {
            return bad("it is empty");
        }
        if !reachable || self.path.is_empty() {
            return bad("it must be reachable through `properties` alone");
        }
        if !matches!(
            kind.and_then(Value::as_str),
            Some("string" | "integer" | "boolean")
        ) {
            return bad("only a string, an integer or a boolean can be mirrored");
        }
        if !self.names.insert(name.to_ascii_lowercase()) {
            return bad("another argument has the same header");
        }
        self.headers.push(MirroredHeader {
            header,
            path: self.path.clone(),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use remit_core::json::{Bounds, parse};

    use super::*;

    fn tool(schema: &str) -> Object {
        let text = format!(r#"{{"name":"t","inputSchema":{schema}}}"#);
        parse(text.as_bytes(), &Bounds::RESPONSE)
            .unwrap()
            .as_object()
            .unwrap()
            .clone()
    }

    #[test]
    fn nested_properties_are_mirrored() {
        let headers = mirrored_headers(&tool(
            r#"{"type":"object","properties":{
                "region":{"type":"string","x-mcp-header":"Region"},
                "x-mcp-header":{"type":"string"},
                "page":{"type":"object","properties":{"size":{"type":"integer","x-mcp-header":"Size"}}},
                "dry":{"type":"boolean","x-mcp-header":"Dry-Run"}}}"#,
        ))
        .unwrap();
        let arguments = parse(
            br#"{"region":"eu","page":{"size":42},"dry":false,"x-mcp-header":"no"}"#,
            &Bounds::REQUEST,
        )
        .unwrap();
        let mut got: Vec<_> = headers
            .iter()
            .map(|h| {
                (
                    h.header.as_str(),
                    h.value(arguments.as_object().unwrap()).unwrap(),
                )
            })
            .collect();
        got.sort();
        assert_eq!(
            got,
            [
                ("mcp-param-dry-run", "false".to_owned()),
                ("mcp-param-region", "eu".to_owned()),
                ("mcp-param-size", "42".to_owned()),
            ]
        );
        assert_eq!(headers[0].value(&Object::new()), None);
    }

    #[test]
    fn forbidden_uses_are_named() {
        for schema in [
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a\r\nHost: b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":7}}}"#,
            r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"object","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":["string","null"],"x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"x-mcp-header":"A"}}}"#,
            r#"{"type":"string","x-mcp-header":"A"}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
            r#"{"properties":{"a":{"type":"array","items":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#,
            r#"{"$defs":{"d":{"type":"string","x-mcp-header":"A"}}}"#,
            r#"{"if":{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}}"#,
        ] {
            assert!(mirrored_headers(&tool(schema)).is_err(), "{schema}");
        }
        assert_eq!(
            mirrored_headers(&tool(r#"{"default":{"x-mcp-header":"A"}}"#)),
            Ok(Vec::new())
        );
    }
}
