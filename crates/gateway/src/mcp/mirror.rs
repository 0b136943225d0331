//! Headers that repeat what the body says (MCP 2026-07-28): they have to say the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use remit_core::json::{Object, Value};

use crate::rpc::{HEADER_MISMATCH, RpcError};

/// The header that names the revision.
pub(crate) const VERSION: &str = "mcp-protocol-version";
const METHOD: &str = "mcp-method";
const NAME: &str = "mcp-name";
const PARAM: &str = "mcp-param-";

/// The value of a header that may stand once, without the white space around it.
///
/// # Errors
/// `-32020` when it stands twice or is not visible ASCII.
pub(crate) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, RpcError> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(mismatch(format!("the header `{name}` stands more than once")));
    }
    match value.to_str() {
        Ok(text) => Ok(Some(text.trim_matches([' ', '\t']))),
        Err(_) => Err(mismatch(format!(
            "the header `{name}` holds more than visible ASCII"
        ))),
    }
}

/// An error of this room.
pub(crate) fn mismatch(message: impl Into<String>) -> RpcError {
    RpcError::new(HEADER_MISMATCH, message)
}

/// Compares `Mcp-Method` and `Mcp-Name` with the body of a request.
///
/// # Errors
/// `-32020`.
pub(crate) fn check_standard(headers: &HeaderMap, method: &str, params: &Object) -> Result<(), RpcError> {
    match single(headers, METHOD)? {
        Some(found) if found == method => {}
        Some(found) => {
            return Err(mismatch(format!(
                "the header `Mcp-Method` is `{found}`, the body says `{method}`"
            )));
        }
        None => return Err(mismatch("the header `Mcp-Method` is missing")),
    }
    let source = match method {
        "tools/call" | "prompts/get" => "name",
        "resources/read" => "uri",
        _ => return Ok(()),
    };
    // A body without the member is refused later, for what it is.
    let Some(wanted) = params.get(source).and_then(Value::as_str) else {
        return Ok(());
    };
    let Some(found) = single(headers, NAME)? else {
        return Err(mismatch("the header `Mcp-Name` is missing"));
    };
    if decode(found).as_deref() == Some(wanted) {
        Ok(())
    } else {
        Err(mismatch(format!(
            "the header `Mcp-Name` is `{found}`, which is not `params.{source}` of the body"
        )))
    }
}

/// Compares the `Mcp-Param-*` headers that `schema` asks for with the arguments.
///
/// # Errors
/// `-32020`.
pub(crate) fn check_params(headers: &HeaderMap, schema: &Object, arguments: &Object) -> Result<(), RpcError> {
    walk(headers, schema, Some(arguments))
}

fn walk(headers: &HeaderMap, schema: &Object, values: Option<&Object>) -> Result<(), RpcError> {
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return Ok(());
    };
    for (key, property) in properties.iter() {
        let Some(property) = property.as_object() else {
            continue;
        };
        let value = values.and_then(|values| values.get(key));
        if let Some(Value::String(name)) = property.get("x-mcp-header") {
            check_param(headers, name, value)?;
        }
        walk(headers, property, value.and_then(Value::as_object))?;
    }
    Ok(())
}

fn check_param(headers: &HeaderMap, name: &str, value: Option<&Value>) -> Result<(), RpcError> {
    let header = format!("{PARAM}{}", name.to_ascii_lowercase());
    if http::HeaderName::from_bytes(header.as_bytes()).is_err() {
        // Such an annotation makes the tool's definition invalid; there is no header it could ask for.
        return Ok(());
    }
    let found = single(headers, &header)?;
    let wanted = match value {
        None | Some(Value::Null) => None,
        Some(value) => Some(value),
    };
    match (found, wanted) {
        (None, None) => Ok(()),
        (None, Some(_)) => Err(mismatch(format!(
            "the header `Mcp-Param-{name}` is missing: the tool's schema asks for it (`x-mcp-header`); list the \
             tools again"
        ))),
        (Some(_), None) => Err(mismatch(format!(
            "the header `Mcp-Param-{name}` is given, but the body has no such argument"
        ))),
        (Some(found), Some(wanted)) if agrees(found, wanted) => Ok(()),
        (Some(_), Some(_)) => Err(mismatch(format!(
            "the header `Mcp-Param-{name}` does not say what the body says"
        ))),
    }
}

fn agrees(found: &str, wanted: &Value) -> bool {
    let Some(found) = decode(found) else {
        return false;
    };
    match wanted {
        Value::String(text) => found == *text,
        Value::Bool(true) => found == "true",
        Value::Bool(false) => found == "false",
        Value::Number(number) => {
            let integer = |text: &str| {
                let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
                whole
                    .parse::<i64>()
                    .ok()
                    .filter(|_| fraction.bytes().all(|b| b == b'0'))
            };
            number.as_i64().is_some() && integer(&found) == number.as_i64()
        }
        _ => false,
    }
}

/// The value behind `=?base64?…?=`, or the text itself; `None` when the marked part is not Base64 of UTF-8.
fn decode(text: &str) -> Option<String> {
    let inner = text
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match inner {
        None => Some(text.to_owned()),
        Some(inner) => String::from_utf8(STANDARD.decode(inner).ok()?).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::object;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                let name: http::HeaderName = name.parse().unwrap();
                (name, value.parse().unwrap())
            })
            .collect()
    }

    fn obj(value: Value) -> Object {
        match value {
            Value::Object(object) => object,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn the_sentinel_is_read_strictly() {
        for (text, value) in [
            ("=?base64?SGVsbG8=?=", Some("Hello")),
            ("=?base64?SGVsbG8?=", None),
            ("=?base64?SGVs!G8=?=", None),
            ("=?base64?/w==?=", None),
            ("SGVsbG8=?=", Some("SGVsbG8=?=")),
            ("=?base64?SGVsbG8=", Some("=?base64?SGVsbG8=")),
            ("=?BASE64?SGVsbG8=?=", Some("=?BASE64?SGVsbG8=?=")),
            ("", Some("")),
        ] {
            assert_eq!(decode(text).as_deref(), value, "{text}");
        }
    }

    #[test]
    fn mirrored_parameters_have_to_agree() {
        let schema = obj(object! { "properties": object! {
            "region": object! { "type": "string", "x-mcp-header": "Region" },
            "deep": object! { "type": "object", "properties": object! {
                "count": object! { "type": "integer", "x-mcp-header": "Count" } } },
            "flag": object! { "type": "boolean", "x-mcp-header": "Flag" },
        } });
        let body = obj(object! { "region": "eu", "deep": object! { "count": 42 }, "flag": true });
        let good = [
            ("mcp-param-region", "eu"),
            ("Mcp-Param-Count", "42.0"),
            ("mcp-param-flag", "true"),
        ];
        assert_eq!(check_params(&headers(&good), &schema, &body), Ok(()));
        assert_eq!(check_params(&headers(&[]), &schema, &Object::new()), Ok(()));
        let null = obj(object! { "region": Value::Null });
        assert_eq!(check_params(&headers(&[]), &schema, &null), Ok(()));
        for bad in [
            &[
                ("mcp-param-region", "us"),
                ("mcp-param-count", "42"),
                ("mcp-param-flag", "true"),
            ][..],
            &[("mcp-param-count", "42"), ("mcp-param-flag", "true")],
            &[
                ("mcp-param-region", "eu"),
                ("mcp-param-count", "43"),
                ("mcp-param-flag", "true"),
            ],
            &[
                ("mcp-param-region", "eu"),
                ("mcp-param-count", "42"),
                ("mcp-param-flag", "True"),
            ],
        ] {
            let error = check_params(&headers(bad), &schema, &body).unwrap_err();
            assert_eq!(
                (error.code, error.status.as_u16()),
                (HEADER_MISMATCH, 400),
                "{bad:?}"
            );
        }
        let extra = headers(&[("mcp-param-region", "eu")]);
        assert!(check_params(&extra, &schema, &Object::new()).is_err());
    }
}
