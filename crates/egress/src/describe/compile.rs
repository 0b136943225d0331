//! From the written form to the one requests are read against. Everything that can be wrong is found here.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use remit_core::destination::DestinationKind;
use remit_core::label::Labels;
use remit_core::name::{Name, ToolName};
use remit_core::tool::{Classification, Marks, ToolClass};

use super::definition;
use super::file::{
    CredentialFile, FieldFile, FieldTable, File, GitFile, GraphQlFile, OperationFile, RevokeFile,
};
use super::hosts::HostPattern;
use super::operation::{BodyKind, Credential, Field, FieldKind, FieldRole, GraphQl, Operation, Place};
use super::resource::ResourcePattern;
use super::revoke::Revoke;
use super::template::PathTemplate;
use super::{Git, System, lookup};
use crate::request::git;

/// A description that cannot be used: where, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the description of `{system}`: {sentence}")]
pub struct BadDescription {
    /// Which system.
    pub system: String,
    /// Where and what.
    pub sentence: String,
}

impl System {
    /// Reads a description in TOML.
    ///
    /// # Errors
    /// [`BadDescription`] with the first thing that is wrong.
    pub fn parse(name: &Name, text: &str) -> Result<Self, BadDescription> {
        let bad = |sentence: String| BadDescription {
            system: name.to_string(),
            sentence,
        };
        let file: File = toml::from_str(text).map_err(|error| bad(error.to_string()))?;
        Self::compile(name, &file).map_err(bad)
    }

    /// Compiles a description.
    ///
    /// # Errors
    /// A sentence with what is wrong.
    pub fn compile(name: &Name, file: &File) -> Result<Self, String> {
        let https = match file.scheme.as_deref() {
            None | Some("https") => true,
            Some("http") => false,
            Some(other) => return Err(format!("`scheme` is `{other}`: use https or http")),
        };
        let hosts: Vec<HostPattern> = file
            .hosts
            .iter()
            .map(|host| HostPattern::parse(host))
            .collect::<Result<_, _>>()?;
        let mut operations = Vec::new();
        for written in &file.operations {
            let operation =
                operation(name, written).map_err(|why| format!("operation `{}`: {why}", written.name))?;
            operations.push(operation);
        }
        lookup::link(name, &mut operations)?;
        let git = file
            .git
            .as_ref()
            .map(|written| git_of(name, written))
            .transpose()?;
        let graphql = file
            .graphql
            .as_ref()
            .map(|written| graphql(name, written))
            .transpose()?;
        let mut names = BTreeSet::new();
        let of_graphql = graphql
            .iter()
            .flat_map(|g| g.mutations.values().chain([&*g.query]));
        let of_git = git.iter().flat_map(|git| &git.operations);
        let all = operations.iter().chain(of_graphql).chain(of_git);
        for operation in all {
            if !names.insert(operation.name.clone()) {
                return Err(format!("two operations are named `{}`", operation.name));
            }
        }
        let in_header = |file: &CredentialFile| file.header.is_some();
        if let Some(operation) = operations.iter().find(|operation| operation.revoke.is_some())
            && (file.sigv4.is_some() || !file.credentials.iter().any(in_header))
        {
            return Err(format!(
                "operation `{}`: `revoke` needs a credential that stands in a header",
                operation.name
            ));
        }
        // Most specific first; of equals the one written first.
        operations.sort_by_key(|operation| {
            std::cmp::Reverse((
                operation.path.weight(),
                operation.when.len(),
                usize::from(operation.host.is_some()),
            ))
        });
        Ok(Self {
            name: name.clone(),
            title: file.title.clone(),
            hosts,
            https,
            port: file.port,
            fold: file.fold.unwrap_or(0),
            credentials: file
                .credentials
                .iter()
                .map(credential)
                .collect::<Result<_, _>>()?,
            headers: file
                .headers
                .iter()
                .map(|header| header.to_ascii_lowercase())
                .collect(),
            operations,
            git,
            graphql,
            sigv4: file.sigv4.clone(),
        })
    }

    /// All operations, those of git and GraphQL among them.
    pub fn all_operations(&self) -> impl Iterator<Item = &Operation> {
        let graphql = self
            .graphql
            .iter()
            .flat_map(|g| g.mutations.values().chain([&*g.query]));
        let git = self.git.iter().flat_map(|git| &git.operations);
        self.operations.iter().chain(graphql).chain(git)
    }
}

fn git_of(system: &Name, file: &GitFile) -> Result<Git, String> {
    Ok(Git {
        host: file.host.as_deref().map(HostPattern::parse).transpose()?,
        repository: PathTemplate::parse(&file.repository)?,
        operations: git::operations(system, &file.repository)?,
    })
}

fn credential(file: &CredentialFile) -> Result<Credential, String> {
    let place = match (&file.header, file.basic, &file.query) {
        (Some(header), false, None) => Place::Header(header.to_ascii_lowercase()),
        (None, true, None) => Place::Basic,
        (None, false, Some(query)) => Place::Query(query.clone()),
        _ => return Err("a credential stands at one of `header`, `basic`, `query`".to_owned()),
    };
    Ok(Credential {
        place,
        schemes: file
            .schemes
            .iter()
            .map(|scheme| scheme.to_ascii_lowercase())
            .collect(),
    })
}

fn graphql(system: &Name, file: &GraphQlFile) -> Result<GraphQl, String> {
    let make = |name: String, class: ToolClass, irreversible, mints, description: String| {
        let written = OperationFile {
            name,
            call: format!("POST {}", file.path),
            description,
            class: class.as_str().to_owned(),
            irreversible,
            mints,
            body: Some("json".to_owned()),
            // Whatever the document names is of no use as a bound: it may come in by a variable, an id, a search.
            resources: vec!["graphql".to_owned()],
            ..OperationFile::default()
        };
        operation(system, &written)
    };
    let mut mutations = BTreeMap::new();
    for (field, written) in &file.mutations {
        let class = written
            .class
            .as_deref()
            .map_or(Ok(ToolClass::Write), ToolClass::from_str);
        let class = class.map_err(|error| error.to_string())?;
        let name = format!("mutation.{field}");
        let made = make(
            name,
            class,
            written.irreversible,
            written.mints,
            format!("GraphQL mutation `{field}`"),
        )?;
        mutations.insert(field.clone(), made);
    }
    let query = make(
        "query".to_owned(),
        ToolClass::Read,
        false,
        false,
        "GraphQL query".to_owned(),
    )?;
    Ok(GraphQl {
        host: file.host.as_deref().map(HostPattern::parse).transpose()?,
        path: PathTemplate::parse(&file.path)?,
        query: Box::new(query),
        mutations,
    })
}

/// Compiles one operation.
pub(crate) fn operation(system: &Name, file: &OperationFile) -> Result<Operation, String> {
    let name: ToolName = file
        .name
        .parse()
        .map_err(|error: remit_core::name::BadToolName| error.to_string())?;
    let (methods, path) = file
        .call
        .split_once(' ')
        .ok_or_else(|| format!("`call` is `{}`: write `METHOD /path`", file.call))?;
    let methods: Vec<String> = methods.split(',').map(str::to_owned).collect();
    if methods
        .iter()
        .any(|m| m.is_empty() || !m.bytes().all(|b| b.is_ascii_uppercase() || b == b'-'))
    {
        return Err(format!(
            "`{}` holds no method: write `METHOD[,METHOD] /path`",
            file.call
        ));
    }
    let path = PathTemplate::parse(path.trim())?;
    let class = ToolClass::from_str(&file.class).map_err(|error| error.to_string())?;
    let mut fields = BTreeMap::new();
    for (at, written) in &file.fields {
        if at.split('.').any(str::is_empty) || at.split('.').nth(1) == Some("*") {
            return Err(format!(
                "the field `{at}` has to be `query.NAME` or `body.NAME[.NAME]`"
            ));
        }
        if !at.starts_with("query.") && !at.starts_with("body.") {
            return Err(format!(
                "the field `{at}` starts with neither `query.` nor `body.`"
            ));
        }
        fields.insert(
            at.clone(),
            field(written).map_err(|why| format!("field `{at}`: {why}"))?,
        );
    }
    let resources: Vec<ResourcePattern> = file
        .resources
        .iter()
        .map(|r| ResourcePattern::parse(r))
        .collect::<Result<_, _>>()?;
    let said = |name: &str| {
        path.names().any(|known| known == name) || name.starts_with("query.") || name.starts_with("body.")
    };
    let lookup = file
        .lookup
        .as_ref()
        .map(|written| lookup::parse(written, said).map_err(|why| format!("its lookup {why}")))
        .transpose()?;
    for pattern in &resources {
        for used in pattern.names() {
            if let Some(field) = used.strip_prefix("object.") {
                lookup::expect_field(lookup.as_ref(), field)
                    .map_err(|why| format!("the resource `{}` names `{used}`, {why}", pattern.text))?;
            } else if !said(used) && used != "host" && !used.starts_with("header.") {
                return Err(format!(
                    "the resource `{}` names `{used}`, which the path does not have",
                    pattern.text
                ));
            }
        }
    }
    let bodiless = methods
        .iter()
        .all(|m| matches!(m.as_str(), "GET" | "HEAD" | "OPTIONS"));
    let body = match file.body.as_deref() {
        None if bodiless => BodyKind::None,
        None if fields.keys().any(|at| at.starts_with("body.")) => BodyKind::Json,
        None => BodyKind::Any,
        Some("none") => BodyKind::None,
        Some("json") => BodyKind::Json,
        Some("form") => BodyKind::Form,
        Some("any") => BodyKind::Any,
        Some("digest") => BodyKind::Digest,
        Some(other) => {
            return Err(format!(
                "`body` is `{other}`: use none, json, form, any or digest"
            ));
        }
    };
    for at in file.when.keys() {
        if !["query.", "body.", "header."]
            .iter()
            .any(|front| at.starts_with(front))
        {
            return Err(format!(
                "the condition `{at}` starts with none of `query.`, `body.`, `header.`"
            ));
        }
    }
    let mut made = Operation {
        name,
        description: file.description.clone(),
        methods,
        host: file.host.as_deref().map(HostPattern::parse).transpose()?,
        path,
        when: file.when.clone(),
        class,
        irreversible: file.irreversible,
        mints: file.mints,
        resources,
        body,
        fields,
        strict: file.strict,
        idempotency: file.idempotency.clone(),
        revoke: file
            .revoke
            .as_ref()
            .map(|written| revoke(file, written))
            .transpose()?,
        opaque: file.opaque,
        lookup,
        looks_up: false,
        definition: remit_core::json::Object::new(),
        classification: Classification {
            class,
            marks: Marks {
                irreversible: file.irreversible,
                mints: file.mints,
            },
            arguments: Vec::new(),
            labels: Labels::new(),
            because: format!("the description of `{system}` says so"),
        },
    };
    write(system, &mut made)?;
    Ok(made)
}

/// Writes down what the registry keeps of an operation.
pub(super) fn write(system: &Name, operation: &mut Operation) -> Result<(), String> {
    operation.classification.arguments = definition::rules(system, operation)?;
    operation.definition = definition::definition(operation);
    Ok(())
}

fn revoke(operation: &OperationFile, written: &RevokeFile) -> Result<Revoke, String> {
    if !operation.mints {
        return Err("`revoke` takes back what an operation mints, and this one does not".to_owned());
    }
    Revoke::compile(written).map_err(|why| format!("`revoke`: {why}"))
}

fn field(written: &FieldFile) -> Result<Field, String> {
    let table = match written {
        FieldFile::Type(kind) => &FieldTable {
            r#type: kind.clone(),
            required: false,
            role: None,
        },
        FieldFile::Table(table) => table,
    };
    let kind = match table.r#type.as_str() {
        "string" => FieldKind::Text,
        "integer" => FieldKind::Integer,
        "number" => FieldKind::Number,
        "boolean" => FieldKind::Boolean,
        "strings" => FieldKind::Texts,
        "any" => FieldKind::Any,
        other => {
            return Err(format!(
                "`{other}` is not a type: use string, integer, number, boolean, strings or any"
            ));
        }
    };
    let role = match table.role.as_deref() {
        None => None,
        Some("content") => Some(FieldRole::Content),
        Some("amount") => Some(FieldRole::Amount),
        Some(other) => {
            let kind = DestinationKind::ALL
                .into_iter()
                .find(|kind| kind.as_str() == other);
            let kind = kind.ok_or_else(|| {
                format!("`{other}` is not a role: use content, amount, or a kind of destination (mail, channel, person, account, host, url, other)")
            })?;
            Some(FieldRole::Destination(kind))
        }
    };
    Ok(Field {
        kind,
        required: table.required,
        role,
    })
}
