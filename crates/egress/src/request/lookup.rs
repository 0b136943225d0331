//! Objects named by an id: the request that looks one up, and what its answer says of the request it is for.
//!
//! Whatever does not say for sure which object a request reaches refuses it.

use std::collections::BTreeMap;

use remit_core::json::{Bounds, Object, Value, parse};
use remit_core::name::ToolName;

use super::body::{Decoded, essence};
use super::headers::is_extra;
use super::{Head, Reading, Touches, common, fold, of_protocol, operation_of, overridden, touch};
use crate::describe::{Bind, Lookup, Member, Operation, Piece, System, lookup_in};
use crate::refusal::{Refusal, shown};
use crate::spool::Spool;
use crate::target::{Target, encode};

/// The argument that says what a request was looked up for: `system/operation`.
pub const LOOKUP_FOR: &str = "lookup_for";
/// The argument with what was found.
pub const OBJECT: &str = "object";
/// The header that holds a request to the version that was seen.
pub const IF_MATCH: &str = "if-match";
/// Its version, among what was found.
const ETAG: &str = "etag";

/// Longest answer that is read, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Longest field, in bytes.
const FIELD_BYTES_MAX: usize = 1024;
/// Longest entity tag, in bytes.
const ETAG_BYTES_MAX: usize = 1024;

/// How a request names its object.
#[derive(Debug)]
pub(super) enum Named {
    /// The description does not ask.
    AsItIs,
    /// By an id, which this request looks up.
    ById(Box<Reading>),
    /// By what would be looked up: the field, as resources name it, and its value.
    ByName(String, String),
}

/// What came of a lookup.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: &'a [(String, String)],
    /// Body.
    pub body: &'a [u8],
}

/// The request that looks up the object of another, where one has to.
pub(super) fn wanted(
    system: &System,
    operation: &Operation,
    head: &Head,
    path: &BTreeMap<String, String>,
    arguments: &Object,
) -> Result<Named, Refusal> {
    let Some(lookup) = &operation.lookup else {
        return Ok(Named::AsItIs);
    };
    let said = |name: &str| {
        let value = match path.get(name) {
            Some(value) => Some(value.clone()),
            None => lookup_in(arguments, name).and_then(plain),
        };
        value.filter(|value| !value.is_empty()).ok_or_else(|| {
            Refusal::opaque(format!(
                "`{}` does not say which object it is for: `{name}` is no text or number",
                operation.name
            ))
        })
    };
    if let Some(name) = &lookup.only_digits {
        let value = said(name)?;
        if !is_digits(&value) {
            let field = lookup.fields.keys().next().cloned().unwrap_or_default();
            return Ok(Named::ByName(format!("{OBJECT}.{field}"), value));
        }
    }
    let target = system
        .operations
        .iter()
        .find(|other| other.name == lookup.operation)
        .ok_or_else(|| Refusal::unknown(format!("there is no operation `{}`", lookup.operation)))?;
    let head = Head {
        method: "GET".to_owned(),
        authority: head.authority.clone(),
        target: target_of(target, lookup, said)?,
        headers: headers(system, head),
        content_type: None,
    };
    overridden::in_query(&head)?;
    // An id must not make another operation of it than the one that is meant.
    let nothing = Spool::default().finish();
    let read = operation_of(system, &head, &Decoded::Empty)?.filter(|(found, _)| found.name == target.name);
    let (None, Some((_, path))) = (of_protocol(system, &head, &nothing)?, read) else {
        return Err(Refusal::opaque(format!(
            "`{}` names an object by something that is no id: `{}` is not `{}`",
            operation.name,
            shown(&head.target.path()),
            target.name
        )));
    };
    let mut arguments = common(system, &head, &path);
    arguments.insert(LOOKUP_FOR, format!("{}/{}", system.name, operation.name));
    // What it touches without an object it touches; what it would need one for is what it is sent to find out.
    touch(target, &path, &mut arguments, Touches::WithoutObject)?;
    Ok(Named::ById(Box::new(Reading {
        operation: target.name.clone(),
        arguments,
        lookup: None,
    })))
}

/// Text or a whole number.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => {
            let text = number.lexeme();
            let digits = text.strip_prefix('-').unwrap_or(&text);
            is_digits(digits).then(|| text.clone().into_owned())
        }
        _ => None,
    }
}

fn target_of(
    target: &Operation,
    lookup: &Lookup,
    said: impl Fn(&str) -> Result<String, Refusal>,
) -> Result<Target, Refusal> {
    const PLAIN: &[u8] = b"-._~";
    let mut text = String::new();
    let mut query = Vec::new();
    for piece in target.path.pieces() {
        let name = match piece {
            Piece::Literal(literal) => {
                text.push('/');
                encode(literal, PLAIN, &mut text);
                continue;
            }
            Piece::One(name) | Piece::Slashed(name) | Piece::Rest(name) => name,
        };
        let value = said(lookup.with.get(name).map_or(name.as_str(), String::as_str))?;
        let segments = match piece {
            Piece::Rest(_) => value.split('/').collect(),
            _ => vec![value.as_str()],
        };
        for segment in segments {
            text.push('/');
            encode(segment, PLAIN, &mut text);
        }
    }
    for (to, from) in &lookup.with {
        if let Some(name) = to.strip_prefix("query.") {
            query.push((name, said(from)?));
        }
    }
    let mut made = Target::parse(if text.is_empty() { "/" } else { &text })?;
    for (name, value) in query {
        if value.chars().any(char::is_control) {
            return Err(Refusal::opaque("an id holds control characters"));
        }
        made.add_parameter(name, &value);
    }
    Ok(made)
}

/// What the lookup says besides: who asks, and what of the description's own headers chooses between objects. Not what the
/// agent would like the answer to be.
fn headers(system: &System, head: &Head) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = head
        .headers
        .iter()
        .filter(|(name, _)| name == "user-agent" || is_extra(system, name))
        .cloned()
        .collect();
    headers.push(("accept".to_owned(), "application/json".to_owned()));
    headers.sort();
    headers
}

/// The request with its object: what it touches is filled in, and it is held to the version that was seen.
///
/// # Errors
/// [`Refusal`] (`not_inspectable`) when the answer does not say for sure which object it is.
pub fn bind(system: &System, reading: Reading, found: &Found<'_>) -> Result<Reading, Refusal> {
    let operation = system
        .operations
        .iter()
        .find(|known| known.name == reading.operation);
    let known = operation.and_then(|operation| Some((operation, operation.lookup.as_ref()?)));
    let Some((operation, lookup)) = known else {
        return Err(Refusal::unknown(format!(
            "nothing is looked up for `{}`",
            reading.operation
        )));
    };
    let by = &lookup.operation;
    let refuse = |why: String| {
        Refusal::opaque(format!(
            "it is not known which object `{}` is for: {why}",
            operation.name
        ))
    };
    match found.status {
        200 => {}
        404 | 410 => {
            return Err(Refusal::opaque(format!(
                "there is no object that `{}` could be for: `{by}` found none ({})",
                operation.name, found.status
            )));
        }
        status => return Err(refuse(format!("`{by}` was answered {status}"))),
    }
    let answer = document(found).ok_or_else(|| refuse(format!("`{by}` was answered with no JSON object")))?;
    let mut object = Object::new();
    if lookup.bind == Bind::Etag {
        let etag = strong(found.headers).ok_or_else(|| {
            refuse(format!(
                "the answer of `{by}` has no strong entity tag (`ETag`), so nothing would hold the request to that object"
            ))
        })?;
        object.insert(ETAG, etag);
    }
    for (name, member) in &lookup.fields {
        let value = lookup_in(&answer, &member.at).and_then(plain);
        let value = value.ok_or_else(|| {
            refuse(format!(
                "the answer of `{by}` has no text or number at `{}`",
                member.at
            ))
        })?;
        expect_name(&value, member)
            .map_err(|why| refuse(format!("`{}` in the answer of `{by}` {why}", member.at)))?;
        object.insert(name.as_str(), value);
    }
    let mut reading = reading;
    let etag = object.get(ETAG).and_then(Value::as_str).map(str::to_owned);
    reading.arguments.insert(OBJECT, object);
    if let Some(etag) = etag {
        condition(&mut reading.arguments, &etag)?;
    }
    let path = path_of(&reading.arguments);
    touch(operation, &path, &mut reading.arguments, Touches::Everything)?;
    fold(system, &mut reading.arguments);
    reading.lookup = None;
    Ok(reading)
}

fn document(found: &Found<'_>) -> Option<Object> {
    let mut kinds = found.headers.iter().filter(|(name, _)| name == "content-type");
    let essence = essence(kinds.next().map(|(_, value)| value.as_str()));
    if kinds.next().is_some() || !(essence == "application/json" || essence.ends_with("+json")) {
        return None;
    }
    match parse(found.body, &Bounds::RESPONSE) {
        Ok(Value::Object(object)) => Some(object),
        _ => None,
    }
}

/// The one strong entity tag (RFC 9110, section 8.8.3).
fn strong(headers: &[(String, String)]) -> Option<String> {
    let mut tags = headers.iter().filter(|(name, _)| name == ETAG);
    let (Some((_, tag)), None) = (tags.next(), tags.next()) else {
        return None;
    };
    let inner = tag.trim().strip_prefix('"')?.strip_suffix('"')?;
    let plain = inner.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"');
    (!inner.is_empty() && plain && inner.len() <= ETAG_BYTES_MAX).then(|| tag.trim().to_owned())
}

/// A field becomes a part of a resource: what could stand for another one there is refused.
fn expect_name(value: &str, member: &Member) -> Result<(), &'static str> {
    if value.is_empty() || value.len() > FIELD_BYTES_MAX {
        return Err("is empty or too long");
    }
    if value.chars().any(char::is_control) {
        return Err("holds control characters");
    }
    if !member.is_path && value.contains('/') {
        return Err("holds `/`, which would make it a part of something else");
    }
    if value.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err("is no plain path");
    }
    Ok(())
}

/// Holds a request to a version. What the agent asks for itself has to be that one: another means that it saw another, and
/// with both the system would take either.
fn condition(arguments: &mut Object, etag: &str) -> Result<(), Refusal> {
    let headers = arguments.get_or_insert_with("headers", || Value::Object(Object::new()));
    let Some(headers) = headers.as_object_mut() else {
        return Err(Refusal::opaque("the headers cannot be read"));
    };
    match headers.get(IF_MATCH).map(Value::as_str) {
        None => drop(headers.insert(IF_MATCH, etag)),
        Some(Some(own)) if own == etag => {}
        Some(_) => {
            return Err(Refusal::opaque(
                "the request's `If-Match` is not the version the object has now: look at it again, or leave the header out",
            ));
        }
    }
    Ok(())
}

fn path_of(arguments: &Object) -> BTreeMap<String, String> {
    let path = arguments.get("path").and_then(Value::as_object);
    path.into_iter()
        .flat_map(Object::iter)
        .filter_map(|(name, value)| Some((name.to_owned(), value.as_str()?.to_owned())))
        .collect()
}

/// True when a call names an object by an id, and what it is has not been looked up.
#[must_use]
pub fn is_due(system: &System, operation: &ToolName, arguments: &Object) -> bool {
    let known = system.operations.iter().find(|known| known.name == *operation);
    let Some(lookup) = known.and_then(|known| known.lookup.as_ref()) else {
        return false;
    };
    let by_name = lookup.only_digits.as_ref().is_some_and(|name| {
        let value = lookup_in(arguments, &format!("path.{name}")).or_else(|| lookup_in(arguments, name));
        value
            .and_then(plain)
            .is_some_and(|value| !value.is_empty() && !is_digits(&value))
    });
    !by_name && !arguments.contains_key(OBJECT) && !arguments.contains_key(LOOKUP_FOR)
}

fn is_digits(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit())
}

/// True when `stored`, a call whose object was looked up, is what `asked` would become: the same request, whatever its
/// object is now. `added` are further headers that Remit puts in where the client sends none.
#[must_use]
pub fn is_same_request(asked: &Object, stored: &Object, added: &[&str]) -> bool {
    let bare = |arguments: &Object| {
        let mut bare = arguments.clone();
        let headers = bare.remove("headers");
        for made in [OBJECT, "resources"] {
            bare.remove(made);
        }
        let headers = headers.as_ref().and_then(Value::as_object).cloned();
        (bare, headers.unwrap_or_default())
    };
    let ((asked, own), (stored, mut headers)) = (bare(asked), bare(stored));
    for name in [IF_MATCH].iter().chain(added) {
        if !own.contains_key(name) {
            headers.remove(name);
        }
    }
    asked == stored && own == headers
}

#[cfg(test)]
mod tests;
