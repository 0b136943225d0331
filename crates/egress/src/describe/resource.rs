//! What a request touches, as text with named parts: `{owner}/{repo}/issues/{number}`, `{body.channel}`.

use std::collections::BTreeMap;

use remit_core::json::{Object, Value};

/// A pattern of a resource's path inside its system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourcePattern {
    /// As written.
    pub text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Named(String),
}

impl ResourcePattern {
    /// Reads a pattern. Names are those of the path, or `query.NAME`, `header.NAME`, `body.NAME[.NAME]`, `object.NAME`, `host`.
    ///
    /// # Errors
    /// A sentence with what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("the resource `{text}` has a `{{` without `}}`"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Named(name.to_owned()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    /// Names used.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Named(name) => Some(name.as_str()),
            Part::Text(_) => None,
        })
    }

    /// True when it takes something from the object that was looked up.
    #[must_use]
    pub fn needs_object(&self) -> bool {
        self.names().any(|name| name.starts_with("object."))
    }

    /// The resources of one request: one per value where a named part is a list; `None` where a part is absent.
    #[must_use]
    pub fn fill(&self, path: &BTreeMap<String, String>, arguments: &Object) -> Option<Vec<String>> {
        let mut filled = vec![String::new()];
        for part in &self.parts {
            let values = match part {
                Part::Text(text) => vec![text.clone()],
                Part::Named(name) => match path.get(name) {
                    Some(value) => vec![value.clone()],
                    None => texts(named(arguments, name)?)?,
                },
            };
            filled = filled
                .iter()
                .flat_map(|front| values.iter().map(move |value| format!("{front}{value}")))
                .collect();
        }
        Some(filled)
    }
}

fn named<'a>(arguments: &'a Object, name: &str) -> Option<&'a Value> {
    match name.strip_prefix("header.") {
        Some(header) => arguments.get("headers")?.get(header),
        None => lookup_in(arguments, name),
    }
}

/// The value of `query.a`, `body.a.b` or `object.a` in the arguments of a request.
pub(crate) fn lookup_in<'a>(arguments: &'a Object, name: &str) -> Option<&'a Value> {
    let mut parts = name.split('.');
    let mut value = arguments.get(parts.next()?)?;
    for part in parts {
        value = value.get(part)?;
    }
    Some(value)
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Number(number) => Some(vec![number.lexeme().into_owned()]),
        Value::Array(items) if !items.is_empty() => {
            let lists: Option<Vec<Vec<String>>> = items.iter().map(texts).collect();
            lists.map(|lists| lists.into_iter().flatten().collect())
        }
        _ => None,
    }
}
