//! Fields from schemas: what is declared, of which type, and what its name says it means.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::file::{FieldFile, FieldTable, OperationFile};
use super::{REFERENCES_MAX, propose, resolve, text};

/// Deepest nesting of objects whose members become fields.
const DEPTH_MAX: usize = 3;

/// A schema, with what it is put together from (`allOf`, `oneOf`, `anyOf`) in one.
#[derive(Clone, Debug, Default)]
pub(super) struct Schema<'d> {
    /// `string`, `integer` …; empty where it is not said, or said in several ways.
    pub(super) kind: String,
    pub(super) format: String,
    pub(super) nullable: bool,
    /// `additionalProperties: false`, and nothing put it together.
    pub(super) closed: bool,
    pub(super) items: Option<Box<Schema<'d>>>,
    properties: BTreeMap<&'d str, Schema<'d>>,
    required: Vec<&'d str>,
}

impl<'d> Schema<'d> {
    pub(super) fn of(document: &'d Value, schema: Option<&'d Value>) -> Self {
        Self::at(document, schema, 0)
    }

    fn at(document: &'d Value, schema: Option<&'d Value>, depth: usize) -> Self {
        let Some(value) = schema.and_then(|schema| resolve(document, schema)) else {
            return Self::default();
        };
        if depth > REFERENCES_MAX {
            return Self::default();
        }
        let mut read = Self {
            nullable: value.get("nullable").and_then(Value::as_bool) == Some(true),
            format: text(value, "format"),
            closed: value.get("additionalProperties").and_then(Value::as_bool) == Some(false),
            ..Self::default()
        };
        match value.get("type") {
            Some(Value::String(kind)) => read.kind.clone_from(kind),
            // OpenAPI 3.1: `["string", "null"]`.
            Some(Value::Array(kinds)) => {
                let mut plain = kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|kind| *kind != "null");
                read.nullable |= kinds.iter().any(|kind| kind.as_str() == Some("null"));
                if let (Some(kind), None) = (plain.next(), plain.next()) {
                    kind.clone_into(&mut read.kind);
                }
            }
            _ => {}
        }
        let properties = value.get("properties").and_then(Value::as_object);
        for (name, property) in properties.into_iter().flatten() {
            read.properties
                .insert(name, Self::at(document, Some(property), depth + 1));
        }
        let names = |value: &'d Value| value.get("required").and_then(Value::as_array);
        read.required
            .extend(names(value).into_iter().flatten().filter_map(Value::as_str));
        if value.get("items").is_some() {
            read.items = Some(Box::new(Self::at(document, value.get("items"), depth + 1)));
        }
        for (word, all) in [("allOf", true), ("oneOf", false), ("anyOf", false)] {
            for part in value.get(word).and_then(Value::as_array).into_iter().flatten() {
                read.join(Self::at(document, Some(part), depth + 1), all);
            }
        }
        read
    }

    /// Takes a part in; what only some parts require is not required.
    fn join(&mut self, part: Self, all: bool) {
        self.closed = false;
        if self.kind.is_empty() {
            self.kind = part.kind;
        } else if !part.kind.is_empty() && part.kind != self.kind {
            self.kind.clear();
        }
        if self.format.is_empty() {
            self.format = part.format;
        }
        self.nullable |= part.nullable;
        self.items = self.items.take().or(part.items);
        if all {
            self.required.extend(part.required);
        }
        for (name, property) in part.properties {
            match self.properties.get_mut(name) {
                Some(known) => known.join(property, all),
                None => {
                    self.properties.insert(name, property);
                }
            }
        }
    }

    /// Its members, those of what it is put together from among them.
    pub(super) fn properties(&self) -> impl Iterator<Item = (&'d str, &Self)> {
        self.properties.iter().map(|(name, property)| (*name, property))
    }
}

/// Declares the members of `schema` below `front`; answers the lists of objects, into which rules cannot see.
pub(super) fn add_all(made: &mut OperationFile, front: &str, schema: &Schema<'_>, must: bool) -> Vec<String> {
    let mut hidden = Vec::new();
    members(made, front, schema, must, 0, &mut hidden);
    hidden
}

fn members(
    made: &mut OperationFile,
    front: &str,
    schema: &Schema<'_>,
    must: bool,
    depth: usize,
    hidden: &mut Vec<String>,
) {
    for (name, property) in schema.properties() {
        let required = must && schema.required.contains(&name);
        let inside = property.properties.is_empty() || depth == DEPTH_MAX || name.contains('.');
        if inside {
            add(made, front, name, property, required);
        } else {
            members(
                made,
                &format!("{front}.{name}"),
                property,
                required,
                depth + 1,
                hidden,
            );
        }
        if property
            .items
            .as_ref()
            .is_some_and(|items| !items.properties.is_empty())
        {
            hidden.push(format!("{front}.{name}"));
        }
    }
}

/// Declares one field.
pub(super) fn add(made: &mut OperationFile, front: &str, name: &str, schema: &Schema<'_>, required: bool) {
    if name.is_empty() || name.contains('.') {
        return;
    }
    let items = schema.items.as_deref();
    let kind = match schema.kind.as_str() {
        "string" => "string",
        "integer" => "integer",
        "number" => "number",
        "boolean" => "boolean",
        "array" if items.is_some_and(|items| items.kind == "string") => "strings",
        _ => "any",
    };
    let format = items.map_or(&schema.format, |items| &items.format);
    let role = propose::role(name, kind, format);
    let table = FieldTable {
        r#type: if schema.nullable { "any" } else { kind }.to_owned(),
        required,
        role: role.map(str::to_owned),
    };
    made.fields
        .insert(format!("{front}.{name}"), FieldFile::Table(table));
}
