//! Arguments: checked against the tool's schema, and read for what they touch and where they send.

use remit_core::amount;
use remit_core::destination::{Destination, DestinationKind};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::tool::{ArgumentRole, ArgumentRule};

/// What the arguments of one call say.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// Everything they touch.
    pub resources: Vec<Resource>,
    /// Everywhere they send.
    pub destinations: Vec<Destination>,
    /// JSON Pointers whose meaning matters and could not be read.
    pub opaque: Vec<String>,
    /// JSON Pointer and value of each field people judge by: resources, destinations, amounts.
    pub salient: Vec<(String, Value)>,
}

/// An argument that makes the call impossible to judge, with the pointer and a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("argument `{pointer}`: {sentence}")]
pub struct BadArgument {
    /// JSON Pointer.
    pub pointer: String,
    /// What is wrong and what to do.
    pub sentence: String,
}

/// Reads `arguments` by `rules`.
///
/// # Errors
/// [`BadArgument`] when a resource or destination is written in a way that would have to be resolved (`..`, empty
/// segments, unprintable characters).
pub fn read(rules: &[ArgumentRule], arguments: &Object) -> Result<Reading, BadArgument> {
    let mut reading = Reading::default();
    let whole = Value::Object(arguments.clone());
    for rule in rules {
        for (pointer, value) in select(&whole, &rule.pointer) {
            take(rule, pointer, value, &mut reading)?;
        }
    }
    reading.resources.sort();
    reading.resources.dedup();
    reading.destinations.sort();
    reading.destinations.dedup();
    Ok(reading)
}

/// Where the arguments send, by the field that says so: all readings of one field together.
///
/// # Errors
/// As [`read`].
pub fn destinations_by_field(
    rules: &[ArgumentRule],
    arguments: &Object,
) -> Result<Vec<(String, Vec<Destination>)>, BadArgument> {
    let whole = Value::Object(arguments.clone());
    let mut found = Vec::new();
    for rule in rules {
        let ArgumentRole::Destination { kind } = rule.role else {
            continue;
        };
        for (pointer, value) in select(&whole, &rule.pointer) {
            if let Value::String(text) = value {
                let read = destinations(kind, text).map_err(|sentence| BadArgument {
                    pointer: pointer.clone(),
                    sentence,
                })?;
                found.push((pointer, read));
            }
        }
    }
    Ok(found)
}

fn take(
    rule: &ArgumentRule,
    pointer: String,
    value: &Value,
    reading: &mut Reading,
) -> Result<(), BadArgument> {
    match (&rule.role, value) {
        (ArgumentRole::Content, _) | (_, Value::Null) => return Ok(()),
        (ArgumentRole::Amount, value) if amount::of(value).is_some() => {}
        (ArgumentRole::Resource { system }, Value::String(text)) => match resource(system, text) {
            Ok(Some(resource)) => reading.resources.push(resource),
            Ok(None) => reading.opaque.push(pointer.clone()),
            Err(sentence) => return Err(BadArgument { pointer, sentence }),
        },
        (ArgumentRole::Destination { kind }, Value::String(text)) => {
            let read = destinations(*kind, text).map_err(|sentence| BadArgument {
                pointer: pointer.clone(),
                sentence,
            })?;
            reading.destinations.extend(read);
        }
        _ => reading.opaque.push(pointer.clone()),
    }
    reading.salient.push((pointer, value.clone()));
    Ok(())
}

/// `None`: a name that only its server can resolve (relative, home-relative).
fn resource(system: &Name, text: &str) -> Result<Option<Resource>, String> {
    if let Some((scheme, rest)) = text.split_once("://") {
        return uri_resource(system, scheme, rest).map(Some);
    }
    if text.starts_with('~') || text == "." || text.starts_with("./") {
        return Ok(None);
    }
    Resource::new(system.clone(), text)
        .map(Some)
        .map_err(|bad| bad.to_string())
}

/// A URI as a resource of `system`: `file:///a/b` is `system:/a/b`, anything else `system:scheme/host/path`.
///
/// # Errors
/// A sentence when the URI holds dot segments, escapes or unprintable characters.
pub fn uri_resource(system: &Name, scheme: &str, rest: &str) -> Result<Resource, String> {
    if rest.contains('%') && percent_decodes_to_syntax(rest) {
        return Err(format!(
            "`{rest}` hides `.`, `/` or control characters behind percent-encoding: write it plainly"
        ));
    }
    let path = if scheme.eq_ignore_ascii_case("file") {
        rest.to_owned()
    } else {
        format!("{}/{}", scheme.to_lowercase(), rest)
    };
    Resource::new(system.clone(), path.trim_end_matches('/')).map_err(|bad| bad.to_string())
}

/// True when decoding would change how the text is split into segments.
fn percent_decodes_to_syntax(text: &str) -> bool {
    let lower = text.to_lowercase();
    ["%2e", "%2f", "%5c", "%25", "%00", "%0a", "%0d"]
        .iter()
        .any(|escape| lower.contains(escape))
}

fn destinations(kind: DestinationKind, text: &str) -> Result<Vec<Destination>, String> {
    if kind == DestinationKind::Url {
        return url_destinations(text);
    }
    let kind = if kind == DestinationKind::Person && text.contains('@') {
        DestinationKind::Mail
    } else {
        kind
    };
    Destination::new(kind, text)
        .map(|one| vec![one])
        .map_err(|bad| bad.to_string())
}

/// A web address is a destination as a whole and by its host; either may be what a task names.
fn url_destinations(text: &str) -> Result<Vec<Destination>, String> {
    // What it names is in it (RFC 2397): nothing is sent anywhere.
    if text
        .get(..5)
        .is_some_and(|scheme| scheme.eq_ignore_ascii_case("data:"))
    {
        return Ok(Vec::new());
    }
    let whole = Destination::new(DestinationKind::Url, text).map_err(|bad| bad.to_string())?;
    let after = text.split_once("://").map_or(text, |(_, rest)| rest);
    let authority = after.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.contains('@') || authority.contains('\\') {
        return Err(format!(
            "`{text}` carries a user name or a backslash in front of its host: write the plain address"
        ));
    }
    let host = if authority.starts_with('[') {
        authority.split_inclusive(']').next().unwrap_or_default()
    } else {
        authority.split(':').next().unwrap_or_default()
    };
    let host = Destination::new(DestinationKind::Host, host).map_err(|bad| bad.to_string())?;
    Ok(vec![whole, host])
}

/// Values at `pointer`, where a segment `*` stands for every element of a list.
pub(crate) fn select<'v>(root: &'v Value, pointer: &str) -> Vec<(String, &'v Value)> {
    let mut found = vec![(String::new(), root)];
    for segment in pointer.split('/').skip(1) {
        let mut next = Vec::new();
        for (at, value) in found {
            match value {
                Value::Array(items) if segment == "*" => {
                    next.extend(
                        items
                            .iter()
                            .enumerate()
                            .map(|(index, item)| (format!("{at}/{index}"), item)),
                    );
                }
                Value::String(_) if segment == "*" => next.push((at, value)),
                _ => {
                    let name = segment.replace("~1", "/").replace("~0", "~");
                    next.extend(value.get(&name).map(|member| (format!("{at}/{segment}"), member)));
                }
            }
        }
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::json::{Bounds, parse};

    fn arguments(text: &str) -> Object {
        parse(text.as_bytes(), &Bounds::REQUEST)
            .unwrap()
            .as_object()
            .unwrap()
            .clone()
    }

    fn rule(pointer: &str, role: ArgumentRole) -> ArgumentRule {
        ArgumentRule {
            pointer: pointer.to_owned(),
            role,
        }
    }

    fn path(pointer: &str) -> ArgumentRule {
        rule(
            pointer,
            ArgumentRole::Resource {
                system: "fs".parse().unwrap(),
            },
        )
    }

    #[test]
    fn every_path_of_a_list_is_a_resource() {
        let reading = read(&[path("/paths/*")], &arguments(r#"{"paths":["/a/b","/c"]}"#)).unwrap();
        let texts: Vec<String> = reading.resources.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["fs:/a/b", "fs:/c"]);
        assert_eq!(reading.salient.len(), 2);
    }

    #[test]
    fn traversal_is_refused_and_relative_names_are_opaque() {
        assert!(read(&[path("/path")], &arguments(r#"{"path":"/a/../etc/passwd"}"#)).is_err());
        assert!(read(&[path("/path")], &arguments(r#"{"path":"file:///a/%2e%2e/etc"}"#)).is_err());
        assert_eq!(
            read(&[path("/path")], &arguments(r#"{"path":"~/x"}"#))
                .unwrap()
                .opaque,
            ["/path"]
        );
        assert_eq!(
            read(&[path("/path")], &arguments(r#"{"path":7}"#))
                .unwrap()
                .opaque,
            ["/path"]
        );
    }

    #[test]
    fn a_web_address_goes_to_its_host() {
        let url = rule(
            "/url",
            ArgumentRole::Destination {
                kind: DestinationKind::Url,
            },
        );
        let reading = read(
            std::slice::from_ref(&url),
            &arguments(r#"{"url":"https://API.example.org:8443/x?y=1"}"#),
        )
        .unwrap();
        assert!(
            reading
                .destinations
                .contains(&"host:api.example.org".parse().unwrap())
        );
        assert!(
            read(
                &[url],
                &arguments(r#"{"url":"https://good.example@evil.example/"}"#)
            )
            .is_err()
        );
    }
}
