//! One reading of a request: from what came over the wire to an operation and its arguments.

mod body;
pub mod carried;
mod fit;
pub mod git;
mod graphql;
pub mod headers;
mod keys;
mod overridden;
mod pack;

use std::collections::BTreeMap;

use remit_core::json::{Object, Value};
use remit_core::name::ToolName;

use crate::authority::Authority;
use crate::describe::{BodyKind, HostPattern, Operation, System};
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
}

/// Reads a request against the description of its system.
///
/// # Errors
/// [`Refusal`]: it is not an operation of the system, or could be read in more than one way.
pub fn read(system: &System, head: &Head, body: &Spooled) -> Result<Reading, Refusal> {
    let mut reading = recognised(system, head, body)?;
    if let Some(Value::Array(touched)) = reading.arguments.get_mut("resources") {
        for resource in touched {
            if let Value::String(path) = resource {
                *path = system.folded(path);
            }
        }
    }
    Ok(reading)
}

fn recognised(system: &System, head: &Head, body: &Spooled) -> Result<Reading, Refusal> {
    overridden::in_query(head)?;
    if let Some(reading) = git::read(system, head, body)? {
        return Ok(reading);
    }
    if let Some(graphql) = &system.graphql
        && at(graphql.host.as_ref(), head)
        && graphql.path.matches(&head.target).is_some()
    {
        return graphql::read(system, graphql, head, body);
    }
    let decoded = body::decode(head, body)?;
    overridden::in_body(head, body, &decoded)?;
    let fitting = system
        .operations
        .iter()
        .filter(|operation| operation.methods.contains(&head.method) && at(operation.host.as_ref(), head))
        .filter_map(|operation| Some((operation, operation.path.matches(&head.target)?)));
    let mut found = None;
    for (operation, path) in fitting {
        if fit::holds(operation, head, &decoded)? {
            found = Some((operation, path));
            break;
        }
    }
    let Some((operation, path)) = found else {
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
    touch(operation, &path, &mut arguments)?;
    Ok(Reading {
        operation: operation.name.clone(),
        arguments,
    })
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

/// Says what the request touches.
pub(crate) fn touch(
    operation: &Operation,
    path: &BTreeMap<String, String>,
    arguments: &mut Object,
) -> Result<(), Refusal> {
    let mut touched = Vec::new();
    for pattern in &operation.resources {
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
    if touched.is_empty() && !operation.resources.is_empty() {
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
