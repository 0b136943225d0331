//! The TOML form of a description; every key is documented in `docs/systems.md`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A description as it is written.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What people call it.
    pub title: String,
    /// Hosts; whoever adds the system may give others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// `https` (default) or `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<String>,
    /// Port, where it is not the scheme's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Leading segments of its resources whose letters' case does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// Further request headers that are part of a call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// AWS service that requests are signed for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigv4: Option<String>,
    /// Where credentials stand.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialFile>,
    /// git's smart HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitFile>,
    /// GraphQL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graphql: Option<GraphQlFile>,
    /// Operations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<OperationFile>,
}

/// `[[credentials]]`: one of `header`, `basic`, `query`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct CredentialFile {
    /// A header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Schemes in front of it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schemes: Vec<String>,
    /// The password of basic authentication.
    #[serde(skip_serializing_if = "is_false")]
    pub basic: bool,
    /// A parameter of the query.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
}

/// `[git]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GitFile {
    /// Only at this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path of a repository, without `.git`.
    pub repository: String,
}

/// `[graphql]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct GraphQlFile {
    /// Only at this host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path.
    pub path: String,
    /// Mutations by their root field.
    #[serde(default)]
    pub mutations: BTreeMap<String, MutationFile>,
}

/// One mutation.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct MutationFile {
    /// Class; `write` when left out.
    pub class: Option<String>,
    /// Cannot be undone.
    pub irreversible: bool,
    /// Returns a credential.
    pub mints: bool,
}

/// `[[operations]]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationFile {
    /// Name as a tool.
    pub name: String,
    /// `METHOD[,METHOD] /path/{name}`.
    pub call: String,
    /// What it does.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Only at this host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Further conditions.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub when: BTreeMap<String, String>,
    /// Class.
    pub class: String,
    /// Cannot be undone.
    #[serde(skip_serializing_if = "is_false")]
    pub irreversible: bool,
    /// Returns a credential.
    #[serde(skip_serializing_if = "is_false")]
    pub mints: bool,
    /// What it touches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// `none`, `json`, `form`, `any`, `digest`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Fields that are not declared are refused.
    #[serde(skip_serializing_if = "is_false")]
    pub strict: bool,
    /// Header or field that makes repeating it harmless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency: Option<String>,
    /// Media, or a stream that cannot be looked into.
    #[serde(skip_serializing_if = "is_false")]
    pub opaque: bool,
    /// How the object it names by an id is looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup: Option<LookupFile>,
    /// Declared fields.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub fields: BTreeMap<String, FieldFile>,
    /// How what it mints is taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoke: Option<RevokeFile>,
}

/// `[operations.revoke]`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RevokeFile {
    /// `METHOD /path/{name}`.
    pub call: String,
    /// `caller` (default): made with what the minting request was made with; `minted`: with what was minted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// A request with what was minted.
    pub probe: String,
    /// Answers to it that only a dead credential gets: a status, or `member=value`; 401 when left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<String>,
}

/// `[operations.lookup]`.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LookupFile {
    /// The operation that looks it up.
    pub operation: String,
    /// What fills that one's path (`NAME`) and query (`query.NAME`), where it is not the path's name of the same name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub with: BTreeMap<String, String>,
    /// Members of its answer, `a.b`, by their name as `object.NAME`; written `NAME...` where one may hold `/`.
    pub fields: BTreeMap<String, String>,
    /// `etag` or `none`.
    pub bind: String,
    /// `{ NAME = "digits" }`: only then it is an id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub only: BTreeMap<String, String>,
}

/// A field: `"string"`, or a table.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum FieldFile {
    /// The type alone.
    Type(String),
    /// Everything.
    Table(FieldTable),
}

/// `{ type, required, role }`.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FieldTable {
    /// `string`, `integer`, `number`, `boolean`, `strings`, `any`.
    pub r#type: String,
    /// Must be there.
    #[serde(default)]
    pub required: bool,
    /// `content`, `amount`, or a kind of destination: `mail`, `channel`, `person`, `account`, `host`, `url`, `other`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
