//! The Cedar schema: entity types, groups, and one action per tool with typed arguments.

use std::collections::BTreeSet;
use std::fmt::Write;

use cedar_policy_core::extensions::Extensions;
use cedar_policy_core::validator::ValidatorSchema;
use remit_core::name::Name;
use remit_core::tool::{ToolClass, ToolRef};

use crate::catalogue::{ArgumentType, Catalogue, Field, operation_groups};
use crate::context::FIELDS;
use crate::principal::{AGENT, Attribute, RUN, TASK};

/// Which tools a schema has.
pub(crate) enum Extent<'a> {
    /// These, without their arguments: for rules that read none.
    Plain(&'a BTreeSet<ToolRef>),
    /// All tools of these servers, with typed arguments.
    Servers(&'a BTreeSet<&'a Name>),
}

/// The schema for some of the catalogue.
///
/// # Errors
/// Cedar's own words, when it does not take the text: a defect of ours, not of the rules.
pub(crate) fn schema(catalogue: &Catalogue, extent: &Extent<'_>) -> Result<ValidatorSchema, String> {
    ValidatorSchema::from_cedarschema_str(&text(catalogue, extent), Extensions::all_available())
        .map(|(schema, _)| schema)
        .map_err(|error| format!("{:?}", miette::Report::new(error)))
}

/// The schema as text, for editors and people.
pub(crate) fn text(catalogue: &Catalogue, extent: &Extent<'_>) -> String {
    let mut out = String::with_capacity(16 * 1024);
    types(&mut out);
    groups(&mut out, catalogue);
    for method in Catalogue::methods() {
        let groups = operation_groups(method);
        action(&mut out, &format!("mcp:{method}"), &groups, "{}");
    }
    match extent {
        Extent::Plain(tools) => {
            // One tool per class that no rule can name, so that rules about a class have something to apply to.
            for class in ToolClass::ALL {
                action(
                    &mut out,
                    &format!(":{class}"),
                    &["any".to_owned(), class.to_string()],
                    "{}",
                );
            }
            for tool in catalogue
                .tools
                .values()
                .filter(|a| a.tool.as_ref().is_some_and(|t| tools.contains(t)))
            {
                action(&mut out, tool.uid.eid().as_ref(), &groups_of(tool), "{}");
            }
            for server in catalogue.servers() {
                action(
                    &mut out,
                    &format!("{server}/:any"),
                    &["any".to_owned(), format!("{server}/*")],
                    "{}",
                );
            }
        }
        Extent::Servers(servers) => {
            for tool in catalogue.tools.values() {
                if tool.tool.as_ref().is_some_and(|t| servers.contains(&t.server)) {
                    let arguments = record(&tool.fields);
                    action(&mut out, tool.uid.eid().as_ref(), &groups_of(tool), &arguments);
                }
            }
        }
    }
    out
}

fn groups_of(tool: &crate::catalogue::Action) -> Vec<String> {
    tool.entity
        .ancestors()
        .map(|a| a.eid().as_ref().to_owned())
        .collect()
}

fn types(out: &mut String) {
    let mut entity = |name: &str, parents: &str, attributes: &[Attribute]| {
        let _ = write!(out, "entity {name}");
        if !parents.is_empty() {
            let _ = write!(out, " in [{parents}]");
        }
        if !attributes.is_empty() {
            out.push_str(" = {");
            for (name, kind, _) in attributes {
                let _ = write!(out, " {name}: {kind},");
            }
            out.push('}');
        }
        out.push_str(";\n");
    };
    entity("Agent", "", &AGENT);
    entity("Destination", "", &[]);
    entity("Human", "Role", &[]);
    entity("Resource", "Resource", &crate::request::RESOURCE);
    entity("Role", "", &[]);
    entity("Run", "Agent, Template", &RUN);
    entity("Task", "", &TASK);
    entity("Template", "", &[]);
}

fn groups(out: &mut String, catalogue: &Catalogue) {
    out.push_str("action \"any\", \"answer\"");
    for class in ToolClass::ALL {
        let _ = write!(out, ", \"{class}\"");
    }
    for server in catalogue.servers() {
        let _ = write!(out, ", \"{server}/*\"");
    }
    out.push_str(";\n");
}

fn action(out: &mut String, id: &str, groups: &[String], arguments: &str) {
    let _ = write!(out, "action {} in [", quoted(id));
    for (place, group) in groups.iter().enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let _ = write!(out, "{comma}{}", quoted(group));
    }
    out.push_str("] appliesTo { principal: Run, resource: Resource, context: {");
    for field in &FIELDS {
        let kind = if field.kind.is_empty() {
            arguments
        } else {
            field.kind
        };
        let _ = write!(out, " {}: {kind},", field.name);
    }
    out.push_str("} };\n");
}

fn record(fields: &std::collections::BTreeMap<String, Field>) -> String {
    let mut out = String::from("{");
    for (name, field) in fields {
        let optional = if field.required { "" } else { "?" };
        let _ = write!(out, " {}{optional}: {},", quoted(name), kind(&field.kind));
    }
    out.push('}');
    out
}

fn kind(argument: &ArgumentType) -> String {
    match argument {
        ArgumentType::Text | ArgumentType::Choice(_) => "String".to_owned(),
        ArgumentType::Long => "Long".to_owned(),
        ArgumentType::Bool => "Bool".to_owned(),
        ArgumentType::Set(item) => format!("Set<{}>", kind(item)),
        ArgumentType::Record(fields) => record(fields),
    }
}

/// A Cedar string literal.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() || !c.is_ascii() => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
