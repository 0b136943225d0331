//! MCP servers: how to reach them and who they were when people last looked.

use remit_core::digest::Digest;
use remit_core::id::ServerId;
use remit_core::json::{Object, Value as Json};
use remit_core::name::Name;

use crate::append::{ApplyError, Tx};
use crate::codec::{BadJson, Fields, text_list};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::SERVERS;

/// How a server is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Streamable HTTP at this address.
    Url(String),
    /// A command of ours, spoken to over its standard input and output.
    Command(Vec<String>),
    /// A database of the configuration, served by Remit itself; tables without a schema are looked up in this one.
    Database(String),
    /// Not an MCP server: a system reached over HTTP, by its description (TOML).
    System(String),
}

/// A registered server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its name.
    pub name: Name,
    /// Its id.
    pub id: ServerId,
    /// How it is reached.
    pub transport: Transport,
    /// May be asked for on addresses of private networks.
    pub allow_private: bool,
    /// One process or session may serve several tasks.
    pub shareable: bool,
    /// A command that keeps the machine's network, by a person's word: what it does there is nobody's to decide.
    pub uncontained: bool,
    /// Environment of the command: names and values, no secrets.
    pub environment: Vec<(String, String)>,
    /// Working folder of the command.
    pub cwd: Option<String>,
    /// Digest of its identity (URL and TLS identity, or command and executable hash), once it was seen.
    pub identity: Option<Digest>,
    /// Not to be used any more.
    pub retired: bool,
}

/// Registers a server.
///
/// # Errors
/// [`crate::Refused::Duplicate`] when the name is taken.
pub fn add(tx: &mut Tx<'_>, server: &Server) -> Result<(), ApplyError> {
    SERVERS.insert(tx, &columns(server)).map(drop)
}

/// Replaces a server as it was read.
///
/// # Errors
/// [`crate::Refused::Stale`] when it changed since.
pub fn put(tx: &mut Tx<'_>, server: &Stored<Server>) -> Result<(), ApplyError> {
    SERVERS.update(tx, &columns(server), server.changed)
}

/// One server.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, name: &Name) -> Result<Option<Stored<Server>>, StoreError> {
    SERVERS.get(conn, &[name.as_str().into()])?.map(read).transpose()
}

/// All servers by name.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn list(conn: &mut Conn) -> Result<Vec<Stored<Server>>, StoreError> {
    SERVERS
        .load(conn, "ORDER BY t.name", &[])?
        .into_iter()
        .map(read)
        .collect()
}

fn columns(server: &Server) -> [Value<'_>; 5] {
    [
        server.name.as_str().into(),
        server.id.to_string().into(),
        spec_to_json(server).to_string().into(),
        server
            .identity
            .as_ref()
            .map(|digest| digest.as_bytes().as_slice())
            .into(),
        server.retired.into(),
    ]
}

fn spec_to_json(server: &Server) -> Json {
    let mut spec = Object::new();
    match &server.transport {
        Transport::Url(url) => spec.insert("url", url.as_str()),
        Transport::Command(command) => spec.insert("command", text_list(command)),
        Transport::Database(schema) => spec.insert("database", schema.as_str()),
        Transport::System(description) => spec.insert("system", description.as_str()),
    };
    spec.insert("allow_private", server.allow_private);
    spec.insert("shareable", server.shareable);
    spec.insert("uncontained", server.uncontained);
    let environment: Object = server
        .environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    spec.insert("environment", environment);
    if let Some(cwd) = &server.cwd {
        spec.insert("cwd", cwd.as_str());
    }
    spec.into()
}

struct Spec {
    transport: Transport,
    allow_private: bool,
    shareable: bool,
    uncontained: bool,
    environment: Vec<(String, String)>,
    cwd: Option<String>,
}

fn spec_from_json(value: &Json) -> Result<Spec, BadJson> {
    let mut fields = Fields::of(value)?;
    let found = (
        fields.opt("url"),
        fields.opt("command"),
        fields.opt("database"),
        fields.opt("system"),
    );
    let transport = match found {
        (Some(Json::String(url)), None, None, None) => Transport::Url(url),
        (None, None, Some(Json::String(schema)), None) => Transport::Database(schema),
        (None, None, None, Some(Json::String(description))) => Transport::System(description),
        (None, Some(command), None, None) => {
            Transport::Command(crate::codec::texts(&command).map_err(|error| error.within("command"))?)
        }
        _ => {
            return Err(BadJson::new(
                "",
                "one of `url`, `command`, `database`, `system` belongs here",
            ));
        }
    };
    let Json::Object(environment) = fields.need("environment")? else {
        return Err(BadJson::new("environment", "an object belongs here"));
    };
    let environment = environment
        .into_iter()
        .map(|(name, value)| match value {
            Json::String(text) => Ok((name, text)),
            _ => Err(BadJson::new("environment", "texts belong here")),
        })
        .collect::<Result<_, _>>()?;
    let cwd = match fields.opt("cwd") {
        None => None,
        Some(Json::String(text)) => Some(text),
        Some(_) => return Err(BadJson::new("cwd", "a text belongs here")),
    };
    let spec = Spec {
        transport,
        cwd,
        allow_private: fields.flag("allow_private")?,
        shareable: fields.flag("shareable")?,
        uncontained: fields.flag("uncontained")?,
        environment,
    };
    fields.end()?;
    Ok(spec)
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<Server>, StoreError> {
    let columns = Columns::of(&SERVERS, &row);
    let spec = columns.json(2, spec_from_json)?;
    let value = Server {
        name: columns.parsed(0)?,
        id: columns.parsed(1)?,
        transport: spec.transport,
        allow_private: spec.allow_private,
        shareable: spec.shareable,
        uncontained: spec.uncontained,
        environment: spec.environment,
        cwd: spec.cwd,
        identity: columns.opt_bytes(3)?.and_then(Digest::from_slice),
        retired: columns.int(4)? != 0,
    };
    Ok(Stored {
        value,
        changed: row.changed,
    })
}
