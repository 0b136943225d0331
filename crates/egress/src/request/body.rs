//! Bodies: JSON and forms are read into arguments; whatever they are, their digest is one. Of a long document what its
//! description calls content is an argument by its digest too, so that a prompt may hold images.

use aws_lc_rs::digest::{SHA256, digest};
use remit_core::json::{Bounds, Object, Value, parse};
use remit_core::limits::{HELD_BODY_BYTES_MAX, REQUEST_BYTES_MAX};

use super::{Head, expect_no_body, listed};
use crate::describe::{BodyKind, FieldKind, FieldRole, Operation};
use crate::refusal::{Refusal, shown};
use crate::spool::Spooled;
use crate::target;

/// Most fields of a form.
const FIELDS_MAX: usize = 2000;

/// A body, as far as it could be read.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Decoded {
    /// There is none.
    Empty,
    /// A JSON object.
    Json(Object),
    /// Another JSON document.
    Document(Value),
    /// A form.
    Form(Object),
    /// Something else, or too long to read.
    Bytes,
}

impl Decoded {
    pub(super) const fn object(&self) -> Option<&Object> {
        match self {
            Self::Json(object) | Self::Form(object) => Some(object),
            _ => None,
        }
    }
}

/// Reads a body by its declared type.
pub(super) fn decode(head: &Head, body: &Spooled) -> Result<Decoded, Refusal> {
    if body.is_empty() {
        return Ok(Decoded::Empty);
    }
    let essence = essence(head.content_type.as_deref());
    let is_json = essence == "application/json" || essence.ends_with("+json");
    let is_form = essence == "application/x-www-form-urlencoded";
    if !is_json && !is_form {
        return Ok(Decoded::Bytes);
    }
    expect_utf8(head.content_type.as_deref())?;
    if is_long(body) {
        return Ok(long(body)
            .filter(|_| is_json)
            .map_or(Decoded::Bytes, Decoded::Json));
    }
    let Some(bytes) = body.in_memory() else {
        return Ok(Decoded::Bytes);
    };
    if is_json {
        let value = parse(bytes, &Bounds::REQUEST).map_err(|error| {
            Refusal::opaque(format!(
                "the body is JSON that could be read in more than one way: {error}"
            ))
        })?;
        return Ok(match value {
            Value::Object(object) => Decoded::Json(object),
            other => Decoded::Document(other),
        });
    }
    form(bytes).map(Decoded::Form)
}

/// True for a body that is no argument as a whole.
fn is_long(body: &Spooled) -> bool {
    body.len() > REQUEST_BYTES_MAX as u64
}

/// A long body as an object, where it is one and could wait for a person.
fn long(body: &Spooled) -> Option<Object> {
    if body.len() > HELD_BODY_BYTES_MAX {
        return None;
    }
    let length = usize::try_from(body.len()).ok()?;
    let bounds = Bounds {
        bytes_max: length,
        ..Bounds::REQUEST
    };
    match parse(&body.piece(0, length).ok()?, &bounds).ok()? {
        Value::Object(object) => Some(object),
        _ => None,
    }
}

/// A long object with its declared content by digest; none when it is long without that.
fn without_content(operation: &Operation, mut object: Object) -> Option<Object> {
    for (at, field) in &operation.fields {
        let fits = matches!(field.kind, FieldKind::Any | FieldKind::Text);
        let Some(name) = at.strip_prefix("body.").filter(|name| !name.contains('.')) else {
            continue;
        };
        if fits
            && field.role == Some(FieldRole::Content)
            && let Some(value) = object.get_mut(name)
        {
            let text = value.to_string();
            let hash = digest(&SHA256, text.as_bytes());
            let hash: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            *value = format!("{} bytes, sha256 {hash}", text.len()).into();
        }
    }
    let left = Value::Object(object.clone()).to_string().len();
    (left <= REQUEST_BYTES_MAX).then_some(object)
}

/// The media type without parameters, lower case.
pub(super) fn essence(content_type: Option<&str>) -> String {
    let text = content_type.unwrap_or_default();
    text.split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase()
}

fn expect_utf8(content_type: Option<&str>) -> Result<(), Refusal> {
    let parameters = content_type.unwrap_or_default().split(';').skip(1);
    for parameter in parameters {
        if let Some((name, value)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("charset")
            && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        {
            return Err(Refusal::opaque(format!(
                "the body is said to be in `{}`: send UTF-8",
                shown(value)
            )));
        }
    }
    Ok(())
}

/// Reads `application/x-www-form-urlencoded` (WHATWG URL, section 5.1).
fn form(bytes: &[u8]) -> Result<Object, Refusal> {
    let text = std::str::from_utf8(bytes).map_err(|_| Refusal::opaque("the form is not UTF-8"))?;
    if text.contains(';') {
        return Err(Refusal::opaque(
            "the form holds a bare `;`, at which some servers cut it: encode it",
        ));
    }
    let mut pairs = Vec::new();
    for part in text.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let read = |raw: &str| {
            target::decode(raw, true)
                .filter(|text| !text.contains('\0'))
                .ok_or_else(|| {
                    Refusal::opaque(format!(
                        "the form field `{}` is not percent-encoded text",
                        shown(raw)
                    ))
                })
        };
        if pairs.len() == FIELDS_MAX {
            return Err(Refusal::opaque(format!(
                "the form has more than {FIELDS_MAX} fields"
            )));
        }
        pairs.push((read(name)?, read(value)?));
    }
    Ok(listed(
        pairs.iter().map(|(name, value)| (name.as_str(), value.as_str())),
    ))
}

/// Names of the body that say where something goes, how much, or what is touched.
fn meaningful(operation: &Operation) -> impl Iterator<Item = &str> {
    let of_fields = operation
        .fields
        .iter()
        .filter(|(_, field)| matches!(field.role, Some(FieldRole::Amount | FieldRole::Destination(_))));
    of_fields
        .map(|(at, _)| at.as_str())
        .chain(operation.naming())
        .filter_map(|at| at.strip_prefix("body."))
        .filter_map(|name| name.split('.').next())
}

/// Adds the body to the arguments, as its operation says it is read.
pub(super) fn add(
    operation: &Operation,
    head: &Head,
    body: &Spooled,
    decoded: Decoded,
    arguments: &mut Object,
) -> Result<(), Refusal> {
    expect_no_body(operation, body)?;
    if operation.body == BodyKind::None {
        return Ok(());
    }
    if !body.is_empty() {
        arguments.insert("body_sha256", body.sha256());
        arguments.insert("body_bytes", i64::try_from(body.len()).unwrap_or(i64::MAX));
        if let Some(kind) = &head.content_type {
            arguments.insert("body_type", kind.as_str());
        }
    }
    let wrong = |wanted: &str| {
        let is = head
            .content_type
            .as_deref()
            .map_or_else(|| "of no type".to_owned(), |kind| format!("`{}`", shown(kind)));
        Refusal::opaque(format!(
            "`{}` is read as {wanted}, and its body is {is} or too long",
            operation.name
        ))
    };
    let decoded = match decoded {
        Decoded::Json(object) if is_long(body) => {
            without_content(operation, object).map_or(Decoded::Bytes, Decoded::Json)
        }
        decoded => decoded,
    };
    // Where a resource names it in the query as well it is looked at there too.
    let in_query_too = |name: &str| {
        operation
            .naming()
            .any(|at| at.strip_prefix("query.") == Some(name))
    };
    let twice = meaningful(operation)
        .find(|name| !in_query_too(name) && head.target.query().iter().any(|(key, _)| key == name));
    if let Some(twice) = twice {
        return Err(Refusal::opaque(format!(
            "`{twice}` of `{}` is looked at in the body and stands in the query: leave it out there",
            operation.name
        )));
    }
    match (operation.body, decoded) {
        (BodyKind::Any, Decoded::Bytes | Decoded::Document(_)) if meaningful(operation).next().is_some() => {
            return Err(wrong("a JSON object or a form"));
        }
        (_, Decoded::Empty) | (BodyKind::Digest, _) | (BodyKind::Any, Decoded::Bytes) => {}
        (BodyKind::Json | BodyKind::Any, Decoded::Json(object))
        | (BodyKind::Form | BodyKind::Any, Decoded::Form(object)) => {
            arguments.insert("body", object);
        }
        (BodyKind::Json | BodyKind::Any, Decoded::Document(value)) => {
            arguments.insert("document", value);
        }
        (BodyKind::Json, _) => return Err(wrong("JSON")),
        (BodyKind::Form, _) => return Err(wrong("a form")),
        (BodyKind::None, _) => {}
    }
    Ok(())
}
