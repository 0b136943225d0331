//! A tool's input schema, compiled: arguments must fit it, and undeclared ones are refused.

use std::sync::Arc;

use remit_core::json::{Object, Value};

use super::arguments::BadArgument;
use super::classify::declared;

/// The compiled input schema of one tool definition.
#[derive(Clone)]
pub struct ArgumentCheck {
    validator: Arc<jsonschema::Validator>,
    declared: Option<Arc<[String]>>,
}

impl std::fmt::Debug for ArgumentCheck {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArgumentCheck")
            .field("declared", &self.declared)
            .finish_non_exhaustive()
    }
}

impl ArgumentCheck {
    /// Compiles an `inputSchema` (JSON Schema 2020-12). References to the network or to files are never resolved.
    ///
    /// # Errors
    /// A sentence, when the schema is not a schema or refers outside itself.
    pub fn new(schema: &Object) -> Result<Self, String> {
        let plain = to_serde(&Value::Object(schema.clone()));
        let validator = jsonschema::draft202012::options()
            .build(&plain)
            .map_err(|error| format!("the tool's input schema cannot be used: {error}"))?;
        Ok(Self {
            validator: Arc::new(validator),
            declared: declared(schema).map(Into::into),
        })
    }

    /// Checks `arguments` against the schema.
    ///
    /// # Errors
    /// [`BadArgument`] with the JSON Pointer of the first argument that does not fit or is not declared.
    pub fn check(&self, arguments: &Object) -> Result<(), BadArgument> {
        if let Some(declared) = &self.declared
            && let Some(unknown) = arguments
                .keys()
                .find(|key| !declared.iter().any(|name| name == key))
        {
            let sentence = if declared.is_empty() {
                "this tool declares no arguments at all".to_owned()
            } else {
                format!(
                    "the tool does not declare it; it declares {}",
                    declared.join(", ")
                )
            };
            return Err(BadArgument {
                pointer: format!("/{unknown}"),
                sentence,
            });
        }
        let plain = to_serde(&Value::Object(arguments.clone()));
        self.validator.validate(&plain).map_err(|error| {
            let pointer = error.instance_path().to_string();
            BadArgument {
                pointer: if pointer.is_empty() {
                    "/".to_owned()
                } else {
                    pointer
                },
                sentence: error.to_string(),
            }
        })
    }
}

/// The same document as the JSON Schema library wants it.
#[must_use]
pub fn to_serde(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(bool) => serde_json::Value::Bool(*bool),
        Value::Number(number) => number
            .as_i64()
            .map(serde_json::Number::from)
            .or_else(|| serde_json::Number::from_f64(number.as_f64()))
            .map_or(serde_json::Value::Null, serde_json::Value::Number),
        Value::String(text) => serde_json::Value::String(text.clone()),
        Value::Array(items) => serde_json::Value::Array(items.iter().map(to_serde).collect()),
        Value::Object(object) => serde_json::Value::Object(
            object
                .iter()
                .map(|(key, member)| (key.to_owned(), to_serde(member)))
                .collect(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::json::{Bounds, parse};

    fn object(text: &str) -> Object {
        parse(text.as_bytes(), &Bounds::REQUEST)
            .unwrap()
            .as_object()
            .unwrap()
            .clone()
    }

    #[test]
    fn arguments_must_fit_and_be_declared() {
        let check = ArgumentCheck::new(&object(
            r#"{"type":"object","properties":{"path":{"type":"string"},"n":{"type":"integer"}},"required":["path"]}"#,
        ))
        .unwrap();
        assert_eq!(check.check(&object(r#"{"path":"/a"}"#)), Ok(()));
        assert_eq!(
            check
                .check(&object(r#"{"path":"/a","bcc":"x"}"#))
                .unwrap_err()
                .pointer,
            "/bcc"
        );
        assert_eq!(
            check.check(&object(r#"{"path":7}"#)).unwrap_err().pointer,
            "/path"
        );
        assert_eq!(check.check(&object("{}")).unwrap_err().pointer, "/");
        assert_eq!(
            check
                .check(&object(r#"{"path":"/a","n":1.5}"#))
                .unwrap_err()
                .pointer,
            "/n"
        );
    }

    #[test]
    fn a_schema_never_reaches_out() {
        assert!(
            ArgumentCheck::new(&object(
                r#"{"properties":{"a":{"$ref":"https://example.org/schema.json"}}}"#
            ))
            .is_err()
        );
        assert!(
            ArgumentCheck::new(&object(r#"{"properties":{"a":{"$ref":"file:///etc/passwd"}}}"#)).is_err()
        );
    }
}
