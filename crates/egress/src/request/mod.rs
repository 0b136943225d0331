//! One reading of a request: from what came over the wire to an operation and its arguments.

mod body;
pub mod carried;
mod fit;
pub mod git;
mod graphql;
pub mod headers;
mod keys;
pub mod lookup;
mod overridden;
mod pack;

use std::collections::BTreeMap;

use remit_core::json::{Object, Value};
use remit_core::name::ToolName;

use self::body::Decoded;
use crate::authority::Authority;
use crate::describe::{BodyKind, HostPattern, Operation, ResourcePattern, System};
use crate::refusal::{Refusal, shown};
use crate::spool::Spooled;
use crate::target::Target;

/// The head of a request, in its one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Method, upper case.
    pub method: String,
    /// Host and port.
    pub authority: Authority,
    /// Path and query.
    pub target: Target,
    /// Headers that are part of the call, lower case, in order.
    pub headers: Vec<(String, String)>,
    /// `Content-Type` of the body; among the headers too.
    pub content_type: Option<String>,
}

/// A request as a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The operation.
    pub operation: ToolName,
    /// Its arguments. They hold everything that is sent, the body by its digest.
    pub arguments: Object,
    /// The request that looks up the object this one names by an id: decided, recorded and sent first, a call like any
    /// other. What it found goes into this one ([`lookup::bind`]); without that it is not to be sent.
    pub lookup: Option<Box<Self>>,
}

/// Reads a request against the description of its system.
///
/// # Errors
/// [`Refusal`]: it is not an operation of the system, or could be read in more than one way.
pub fn read(system: &System, head: &Head, body: &Spooled) -> Result<Reading, Refusal> {
    let mut reading = recognised(system, head, body)?;
    fold(system, &mut reading.arguments);
    if let Some(lookup) = &mut reading.lookup {
        fold(system, &mut lookup.arguments);
    }
    Ok(reading)
}

/// Segments of resources whose letters' case does not count are in lower case.
fn fold(system: &System, arguments: &mut Object) {
    if let Some(Value::Array(touched)) = arguments.get_mut("resources") {
        for resource in touched {
            if let Value::String(path) = resource {
                *path = system.folded(path);
            }
        }
    }
}

fn recognised(system: &System, head: &Head, body: &Spooled) -> Result<Reading, Refusal> {
    overridden::in_query(head)?;
    if let Some(reading) = of_protocol(system, head, body)? {
        return Ok(reading);
    }
    let decoded = body::decode(head, body)?;
    overridden::in_body(head, body, &decoded)?;
    let Some((operation, mut path)) = operation_of(system, head, &decoded)? else {
        return Err(Refusal::unknown(format!(
            "`{} {}` is no operation of `{}` that is known here; nothing unknown is allowed",
            head.method,
            shown(&head.target.path()),
            system.name
        )));
    };
    keys::expect_exact(operation, head, &decoded)?;
    let mut arguments = common(system, head, &path);
    body::add(operation, head, body, decoded, &mut arguments)?;
    let lookup = match lookup::wanted(system, operation, head, &path, &arguments)? {
        lookup::Named::ById(lookup) => Some(lookup),
        lookup::Named::ByName(field, name) => {
            path.insert(field, name);
            None
        }
        lookup::Named::AsItIs => None,
    };
    if lookup.is_none() {
        touch(operation, &path, &mut arguments, Touches::Everything)?;
    }
    Ok(Reading {
        operation: operation.name.clone(),
        arguments,
        lookup,
    })
}

/// A request of git or GraphQL.
fn of_protocol(system: &System, head: &Head, body: &Spooled) -> Result<Option<Reading>, Refusal> {
    if let Some(reading) = git::read(system, head, body)? {
        return Ok(Some(reading));
    }
    match &system.graphql {
        Some(graphql) if at(graphql.host.as_ref(), head) && graphql.path.matches(&head.target).is_some() => {
            graphql::read(system, graphql, head, body).map(Some)
        }
        _ => Ok(None),
    }
}

/// An operation, and the named pieces of the path it was recognised by.
type Recognised<'s> = (&'s Operation, BTreeMap<String, String>);

/// The operation a request is.
fn operation_of<'s>(
    system: &'s System,
    head: &Head,
    decoded: &Decoded,
) -> Result<Option<Recognised<'s>>, Refusal> {
    let fitting = system
        .operations
        .iter()
        .filter(|operation| operation.methods.contains(&head.method) && at(operation.host.as_ref(), head))
        .filter_map(|operation| Some((operation, operation.path.matches(&head.target)?)));
    for (operation, path) in fitting {
        if fit::holds(operation, head, decoded)? {
            return Ok(Some((operation, path)));
        }
    }
    Ok(None)
}

fn at(host: Option<&HostPattern>, head: &Head) -> bool {
    host.is_none_or(|host| host.matches(head.authority.host()))
}

/// What the arguments of every request hold.
pub(crate) fn common(system: &System, head: &Head, path: &BTreeMap<String, String>) -> Object {
    let mut arguments = Object::new();
    arguments.insert("request", request_line(system, head));
    arguments.insert("host", head.authority.host());
    let path: Object = path
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    arguments.insert("path", path);
    if !head.target.query().is_empty() {
        arguments.insert(
            "query",
            listed(
                head.target
                    .query()
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.as_deref().unwrap_or_default())),
            ),
        );
    }
    if !head.headers.is_empty() {
        arguments.insert(
            "headers",
            listed(head.headers.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
        );
    }
    arguments
}

/// `POST https://host/path?query`, exactly as it is sent.
fn request_line(system: &System, head: &Head) -> String {
    format!(
        "{} {}://{}{}",
        head.method,
        system.scheme(),
        head.authority.written(system.own_port()),
        head.target
    )
}

/// Names and values as an object; a repeated name becomes a list.
pub(crate) fn listed<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Object {
    let mut object = Object::new();
    for (name, value) in pairs {
        match object.get_mut(name) {
            None => {
                object.insert(name, value);
            }
            Some(Value::Array(items)) => items.push(value.into()),
            Some(first) => {
                let one = std::mem::replace(first, Value::Null);
                *first = Value::Array(vec![one, value.into()]);
            }
        }
    }
    object
}

/// How much of what a request touches can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touches {
    /// All of it.
    Everything,
    /// What needs no object: it is sent to find one out.
    WithoutObject,
}

/// Says what the request touches.
fn touch(
    operation: &Operation,
    path: &BTreeMap<String, String>,
    arguments: &mut Object,
    how: Touches,
) -> Result<(), Refusal> {
    let mut touched = Vec::new();
    let sayable = |pattern: &&ResourcePattern| how == Touches::Everything || !pattern.needs_object();
    for pattern in operation.resources.iter().filter(sayable) {
        match pattern.fill(path, arguments) {
            Some(filled) => touched.extend(filled),
            None if operation.resources.len() > 1 => {}
            None => {
                return Err(Refusal::opaque(format!(
                    "`{}` does not say what it touches: `{}` cannot be filled in",
                    operation.name, pattern.text
                )));
            }
        }
    }
    touched.sort();
    touched.dedup();
    if touched.is_empty() && !operation.resources.is_empty() && how == Touches::Everything {
        return Err(Refusal::opaque(format!(
            "`{}` does not say what it touches: none of its resources can be filled in",
            operation.name
        )));
    }
    if !touched.is_empty() {
        arguments.insert(
            "resources",
            touched.into_iter().map(Value::from).collect::<Vec<_>>(),
        );
    }
    Ok(())
}

/// A body where there should be none.
pub(crate) fn expect_no_body(operation: &Operation, body: &Spooled) -> Result<(), Refusal> {
    if operation.body == BodyKind::None && !body.is_empty() {
        return Err(Refusal::opaque(format!(
            "`{}` has no body, and {} bytes came with it",
            operation.name,
            body.len()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
