//! The Cedar schema: entity types, groups, and one action per tool with typed arguments.
//!
//! It is handed to Cedar in its JSON form: parsing the text form takes ten times as long.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::ValidatorSchema;
use remit_core::tool::{ToolClass, ToolRef};
use serde_json::{Map, Value, json};

use crate::attributes::{Attribute, Kind, RUN};
use crate::catalogue::{Action, ArgumentType, Catalogue, Field, operation_groups};
use crate::context::FIELDS;
use crate::request::RESOURCE;

/// Which tools a schema has.
pub(crate) enum Extent<'a> {
    /// These, without their arguments: for rules that read none.
    Plain(&'a BTreeSet<ToolRef>),
    /// These, with typed arguments.
    Typed(&'a BTreeSet<ToolRef>),
}

/// The schema for some of the catalogue.
///
/// # Errors
/// Cedar's own words, when it does not take it: a defect of ours, not of the rules.
pub(crate) fn schema(catalogue: &Catalogue, extent: &Extent<'_>) -> Result<ValidatorSchema, String> {
    let namespace = json!({
        "commonTypes": { PLAIN: context(&record([])) },
        "entityTypes": entity_types(),
        "actions": actions(catalogue, extent),
    });
    ValidatorSchema::from_json_value(json!({ "": namespace }), Extensions::all_available())
        .map_err(|error| format!("{:?}", miette::Report::new(error)))
}

/// The context of every action without arguments.
const PLAIN: &str = "PlainContext";

fn entity_types() -> Value {
    let entity = |parents: &[&str], shape: Value| json!({ "memberOfTypes": parents, "shape": shape });
    let resource = RESOURCE
        .iter()
        .map(|(name, kind, _)| ((*name).to_owned(), named(kind)));
    json!({
        "Agent": entity(&[], record([])),
        "Destination": entity(&[], record([])),
        "Human": entity(&["Role"], record([])),
        "Resource": entity(&["Resource"], record(resource)),
        "Role": entity(&[], record([])),
        "Run": entity(&["Agent", "Template"], attributes(&RUN)),
        "Template": entity(&[], record([])),
    })
}

fn attributes(table: &[Attribute]) -> Value {
    record(table.iter().map(|attribute| {
        let kind = match attribute.kind {
            Kind::Plain(kind, _) => named(kind),
            Kind::Record(inner) => attributes(inner),
        };
        (attribute.name.to_owned(), kind)
    }))
}

fn actions(catalogue: &Catalogue, extent: &Extent<'_>) -> Value {
    let mut actions = Map::new();
    let groups = ["any".to_owned(), "answer".to_owned(), "issue".to_owned()];
    let classes = ToolClass::ALL.map(|class| class.to_string());
    let servers = catalogue
        .servers()
        .into_iter()
        .map(|server| format!("{server}/*"));
    for group in groups.into_iter().chain(classes).chain(servers) {
        actions.insert(group, json!({}));
    }
    let plain = json!({ "type": PLAIN });
    for method in Catalogue::methods() {
        actions.insert(format!("mcp:{method}"), action(&operation_groups(method), &plain));
    }
    match extent {
        Extent::Plain(tools) => {
            // Tools that no rule can name, so that rules about a class or a server have something to apply to.
            for class in ToolClass::ALL {
                actions.insert(
                    format!(":{class}"),
                    action(&["any".to_owned(), class.to_string()], &plain),
                );
            }
            for server in catalogue.servers() {
                let groups = ["any".to_owned(), format!("{server}/*")];
                actions.insert(format!("{server}/:any"), action(&groups, &plain));
            }
            for (tool, known) in tools
                .iter()
                .filter_map(|tool| catalogue.tools.get_key_value(tool))
            {
                actions.insert(tool.to_string(), action(&groups_of(known), &plain));
            }
        }
        Extent::Typed(tools) => {
            for (tool, known) in tools
                .iter()
                .filter_map(|tool| catalogue.tools.get_key_value(tool))
            {
                let typed = context(&fields(&known.fields));
                actions.insert(tool.to_string(), action(&groups_of(known), &typed));
            }
        }
    }
    Value::Object(actions)
}

fn groups_of(tool: &Action) -> Vec<String> {
    tool.entity
        .ancestors()
        .map(|group| AsRef::<str>::as_ref(group.eid()).to_owned())
        .collect()
}

fn action(groups: &[String], context: &Value) -> Value {
    let groups: Vec<Value> = groups.iter().map(|group| json!({ "id": group })).collect();
    json!({
        "memberOf": groups,
        "appliesTo": { "principalTypes": ["Run"], "resourceTypes": ["Resource"], "context": context },
    })
}

fn context(arguments: &Value) -> Value {
    record(FIELDS.iter().map(|field| {
        let kind = if field.kind.is_empty() {
            arguments.clone()
        } else {
            named(field.kind)
        };
        (field.name.to_owned(), kind)
    }))
}

fn record(members: impl IntoIterator<Item = (String, Value)>) -> Value {
    let members: Map<String, Value> = members.into_iter().collect();
    json!({ "type": "Record", "attributes": members })
}

fn fields(fields: &BTreeMap<String, Field>) -> Value {
    record(fields.iter().map(|(name, field)| {
        let mut kind = argument(&field.kind);
        if let Some(kind) = kind.as_object_mut() {
            kind.insert("required".to_owned(), Value::Bool(field.required));
        }
        (name.clone(), kind)
    }))
}

fn argument(kind: &ArgumentType) -> Value {
    match kind {
        ArgumentType::Text | ArgumentType::Choice(_) => json!({ "type": "String" }),
        ArgumentType::Long => json!({ "type": "Long" }),
        ArgumentType::Bool => json!({ "type": "Boolean" }),
        ArgumentType::Set(item) => json!({ "type": "Set", "element": argument(item) }),
        ArgumentType::Record(inner) => fields(inner),
    }
}

/// A type as the tables of facts and attributes write it: `Long`, `Set<Resource>`, `{ level: Long }`.
fn named(kind: &str) -> Value {
    if let Some(item) = kind.strip_prefix("Set<").and_then(|rest| rest.strip_suffix('>')) {
        return json!({ "type": "Set", "element": named(item) });
    }
    if let Some(members) = kind.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        let members = members.split(',').filter_map(|member| member.split_once(':'));
        return record(members.map(|(name, kind)| (name.trim().to_owned(), named(kind.trim()))));
    }
    match kind {
        "Bool" => json!({ "type": "Boolean" }),
        "String" | "Long" => json!({ "type": kind }),
        entity => json!({ "type": "Entity", "name": entity }),
    }
}
