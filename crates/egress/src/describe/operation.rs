//! One operation of a system: how it is recognised, what it does, which of its fields matter.

use std::collections::BTreeMap;

use remit_core::destination::DestinationKind;
use remit_core::json::Object;
use remit_core::name::ToolName;
use remit_core::tool::{Classification, ToolClass};

use super::hosts::HostPattern;
use super::lookup::Lookup;
use super::resource::ResourcePattern;
use super::revoke::Revoke;
use super::template::PathTemplate;

/// One operation; a tool of the system's server.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Its name as a tool.
    pub name: ToolName,
    /// What it does, for people.
    pub description: String,
    /// Methods, upper case.
    pub methods: Vec<String>,
    /// Only at this host.
    pub host: Option<HostPattern>,
    /// Path.
    pub path: PathTemplate,
    /// Further conditions: `query.NAME`, `body.NAME`, `header.NAME` → value, `*` for any.
    pub when: BTreeMap<String, String>,
    /// Class.
    pub class: ToolClass,
    /// Cannot be undone.
    pub irreversible: bool,
    /// Returns a credential.
    pub mints: bool,
    /// What it touches.
    pub resources: Vec<ResourcePattern>,
    /// How its body is read.
    pub body: BodyKind,
    /// Fields by `query.NAME` or `body.NAME[.NAME]`.
    pub fields: BTreeMap<String, Field>,
    /// Fields that are not declared are refused.
    pub strict: bool,
    /// Header or `body.NAME` that makes repeating it harmless.
    pub idempotency: Option<String>,
    /// How what it mints is taken back; without it that ends by its own expiry only.
    pub revoke: Option<Revoke>,
    /// The answer is a stream of events or media; passed on as it comes.
    pub opaque: bool,
    /// How the object it names by an id is looked up.
    pub lookup: Option<Lookup>,
    /// Other operations, or it itself, are looked up with it.
    pub looks_up: bool,
    /// The tool's definition, as the registry keeps it.
    pub definition: Object,
    /// What the registry says about it.
    pub classification: Classification,
}

impl Operation {
    /// Names of the request that say what it touches: those of its resources, and those its object is looked up by.
    pub fn naming(&self) -> impl Iterator<Item = &str> {
        let resources = self.resources.iter().flat_map(ResourcePattern::names);
        let lookup = self.lookup.iter();
        resources.chain(lookup.flat_map(|lookup| {
            let only = lookup.only_digits.iter();
            lookup.with.values().chain(only).map(String::as_str)
        }))
    }
}

/// How a body is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyKind {
    /// There is none.
    None,
    /// A JSON document.
    Json,
    /// `application/x-www-form-urlencoded`.
    Form,
    /// JSON or a form where it is one and short enough, else its digest alone.
    Any,
    /// Its digest alone.
    Digest,
}

/// A declared field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Type.
    pub kind: FieldKind,
    /// Must be there.
    pub required: bool,
    /// What it means.
    pub role: Option<FieldRole>,
}

/// Type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldKind {
    /// A string.
    Text,
    /// A whole number; in a query or form the digits of one.
    Integer,
    /// A number.
    Number,
    /// true or false.
    Boolean,
    /// A list of strings.
    Texts,
    /// Anything.
    Any,
}

/// What a field means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldRole {
    /// Payload.
    Content,
    /// A quantity.
    Amount,
    /// Where data goes.
    Destination(DestinationKind),
}

/// Where a credential stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Where.
    pub place: Place,
    /// Schemes in front of it, lower case (`bearer`, `token`); none = the whole value.
    pub schemes: Vec<String>,
}

/// A place a credential can stand.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A header, lower case.
    Header(String),
    /// Password of HTTP basic authentication (RFC 7617).
    Basic,
    /// A parameter of the query.
    Query(String),
}

/// GraphQL on a system.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphQl {
    /// Only at this host.
    pub host: Option<HostPattern>,
    /// Path.
    pub path: PathTemplate,
    /// Queries: the operation they are.
    pub query: Box<Operation>,
    /// Known mutations by their root field.
    pub mutations: BTreeMap<String, Operation>,
}
