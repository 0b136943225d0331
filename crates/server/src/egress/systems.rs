//! Systems in the registry: added by a person with their description, each operation a tool.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::id::ServerId;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::tool::{Tool, ToolRef, ToolState};
use remit_egress::describe::{File, System, from_openapi, shipped};
use remit_store::servers::{Server, Transport};
use remit_store::tools::RegisteredTool;
use remit_store::{Epoch, Stored};

use crate::app::{App, Failure};
use crate::config::System as Configured;
use crate::engine::record;
use crate::registry::definition::Definition;

/// A system as a person describes it.
#[derive(Clone, Debug, Default)]
pub struct NewSystem {
    /// Name of a shipped description.
    pub kind: Option<String>,
    /// A description, in TOML.
    pub description: Option<String>,
    /// An OpenAPI 3 document, in JSON or YAML.
    pub openapi: Option<String>,
    /// Hosts instead of the description's.
    pub hosts: Vec<String>,
    /// Scheme instead of the description's.
    pub scheme: Option<String>,
    /// Port instead of the description's.
    pub port: Option<u16>,
    /// Addresses on this machine and in private networks may be dialled.
    pub allow_private: bool,
}

/// What came of adding a system.
#[derive(Clone, Debug)]
pub struct Added {
    /// The system.
    pub system: System,
    /// Its description, as it is kept.
    pub description: String,
    /// What of an OpenAPI document was left out, and why.
    pub left_out: Vec<String>,
}

/// The description a person means, compiled.
///
/// # Errors
/// [`Failure::Invalid`] with what is wrong.
pub fn describe(name: &Name, new: &NewSystem) -> Result<Added, Failure> {
    let mut left_out = Vec::new();
    let mut file: File = match (&new.description, &new.openapi) {
        (Some(text), _) => toml::from_str(text)
            .map_err(|error| Failure::invalid(format!("the description of `{name}`: {error}")))?,
        (None, Some(document)) => {
            let document = document_of(document)?;
            let (file, skipped) = from_openapi(&document).map_err(Failure::invalid)?;
            left_out = skipped;
            file
        }
        (None, None) => {
            let kind = new.kind.as_deref().unwrap_or(name.as_str());
            let text = shipped(kind).or_else(|| new.kind.is_none().then(|| shipped("http")).flatten());
            let text = text.ok_or_else(|| {
                Failure::invalid(format!(
                    "no description `{kind}` is shipped: see `remit system list`"
                ))
            })?;
            toml::from_str(text).map_err(Failure::unavailable)?
        }
    };
    if !new.hosts.is_empty() {
        move_hosts(&mut file, &new.hosts);
    }
    file.scheme = new.scheme.clone().or(file.scheme);
    file.port = new.port.or(file.port);
    if file.hosts.is_empty() {
        return Err(Failure::invalid(format!(
            "give the hosts of `{name}`: its description names none"
        )));
    }
    let description = toml::to_string(&file).map_err(Failure::unavailable)?;
    let system = System::parse(name, &description).map_err(Failure::invalid)?;
    Ok(Added {
        system,
        description,
        left_out,
    })
}

/// An OpenAPI document: JSON where it begins like it, else YAML.
fn document_of(text: &str) -> Result<serde_json::Value, Failure> {
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text)
            .map_err(|error| Failure::invalid(format!("the OpenAPI document is not JSON: {error}")));
    }
    remit_egress::describe::yaml_to_json(text)
        .map_err(|error| Failure::invalid(format!("the OpenAPI document is neither JSON nor YAML: {error}")))
}

/// Other hosts: what the description says of one host holds for all of them then.
fn move_hosts(file: &mut File, hosts: &[String]) {
    let several = hosts.len() == file.hosts.len();
    let moved: BTreeMap<&String, &String> = file.hosts.iter().zip(hosts).collect();
    let new = |old: &Option<String>| {
        old.as_ref()
            .filter(|_| several)
            .and_then(|old| moved.get(old))
            .map(|host| (*host).clone())
    };
    for operation in &mut file.operations {
        operation.host = new(&operation.host);
    }
    if let Some(git) = &mut file.git {
        git.host = new(&git.host);
    }
    if let Some(graphql) = &mut file.graphql {
        graphql.host = new(&graphql.host);
    }
    file.hosts = hosts.to_vec();
}

/// Adds a system; the person who adds it answers for its description, so its operations are usable at once.
///
/// # Errors
/// [`Failure`] with what is wrong; nothing is registered then.
pub async fn add(app: &Arc<App>, name: &Name, new: &NewSystem, by: &Name) -> Result<Added, Failure> {
    crate::people::expect_role(app, by, &remit_core::people::Role::Administrator)?;
    let added = describe(name, new)?;
    crate::registry::servers::expect_free(name)?;
    let world = app.world();
    if let Some(entry) = world.registry.server(name)
        && entry.system.is_none()
    {
        return Err(Failure::Conflict(format!(
            "`{name}` is the name of an MCP server: choose another"
        )));
    }
    for other in world
        .registry
        .servers()
        .filter_map(|entry| entry.system.as_ref())
        .filter(|s| s.name != *name)
    {
        let shared = added
            .system
            .hosts
            .iter()
            .find(|host| other.hosts.contains(host) || other.is_at(host.name(), added.system.port()));
        if let Some(host) = shared.filter(|_| other.port() == added.system.port()) {
            return Err(Failure::Conflict(format!(
                "`{host}` belongs to the system `{}` already",
                other.name
            )));
        }
    }
    register(app, name, new.allow_private, &added, by).await?;
    app.reload().await?;
    Ok(added)
}

async fn register(
    app: &Arc<App>,
    name: &Name,
    allow_private: bool,
    added: &Added,
    by: &Name,
) -> Result<(), Failure> {
    let identity = Digest::of(format!("remit system v1\n{allow_private}\n{}", added.description).as_bytes());
    let mut detail = Object::new();
    detail.insert("system", name.as_str());
    let hosts: Vec<Value> = added
        .system
        .hosts
        .iter()
        .map(|host| host.to_string().into())
        .collect();
    detail.insert("hosts", hosts);
    detail.insert(
        "operations",
        i64::try_from(added.system.all_operations().count()).unwrap_or(i64::MAX),
    );
    let mut record = record::by_human("system.add", by, detail);
    record.digest = Some(identity);
    let server = Server {
        name: name.clone(),
        id: ServerId::fresh(app.clock.now(), &*app.entropy)?,
        transport: Transport::System(added.description.clone()),
        allow_private,
        shareable: false,
        uncontained: false,
        environment: Vec::new(),
        cwd: None,
        identity: Some(identity),
        retired: false,
    };
    let mut tools = Vec::new();
    for operation in added.system.all_operations() {
        let definition = Definition::new(operation.definition.clone())
            .ok_or_else(|| Failure::Unavailable("an operation has no name".to_owned()))?;
        let fingerprint = definition.fingerprint();
        let tool = Tool {
            name: ToolRef {
                server: name.clone(),
                tool: operation.name.clone(),
            },
            fingerprint,
            state: ToolState::Admitted,
            classification: operation.classification.clone(),
        };
        let registered = RegisteredTool {
            tool,
            admitted: Some(fingerprint),
        };
        tools.push((registered, Value::Object(definition.object).to_canonical()));
    }
    app.store
        .append(record, move |tx| {
            match remit_store::servers::get(tx, &server.name)? {
                None => remit_store::servers::add(tx, &server)?,
                Some(mut before) => {
                    let id = before.id;
                    before.value = Server { id, ..server.clone() };
                    remit_store::servers::put(tx, &before)?;
                }
            }
            let mut before: BTreeMap<_, Stored<RegisteredTool>> =
                remit_store::tools::of_server(tx, &server.name)?
                    .into_iter()
                    .map(|stored| (stored.tool.name.tool.clone(), stored))
                    .collect();
            for (tool, definition) in &tools {
                remit_store::tools::keep_definition(tx, &tool.tool.name, tool.tool.fingerprint, definition)?;
                match before.remove(&tool.tool.name.tool) {
                    None => remit_store::tools::add(tx, tool)?,
                    Some(mut stored) => {
                        stored.value = tool.clone();
                        remit_store::tools::put(tx, &stored)?;
                    }
                }
            }
            for (_, mut gone) in before {
                gone.tool.state = ToolState::Retired;
                gone.admitted = None;
                remit_store::tools::put(tx, &gone)?;
            }
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    Ok(())
}

/// Adds the systems of the configuration that are not registered as they are described there. One that cannot be added is
/// left out, loudly.
pub async fn add_configured(app: &Arc<App>) {
    for (name, configured) in &app.config.systems {
        // Something may be known of a system that MCP servers reach, and that is all there is to it.
        if configured.is_only_described() && shipped(name).is_none() {
            continue;
        }
        if let Err(failure) = configure(app, name, configured).await {
            tracing::error!(system = %name, %failure, "a configured system could not be added");
        }
    }
}

async fn configure(app: &Arc<App>, name: &str, configured: &Configured) -> Result<(), Failure> {
    let name: Name = name.parse().map_err(Failure::invalid)?;
    let read = |path: &Path| {
        let path = app.paths.config.join(path);
        std::fs::read_to_string(&path)
            .map_err(|error| Failure::invalid(format!("cannot read `{}`: {error}", path.display())))
    };
    let new = NewSystem {
        kind: configured.kind.clone(),
        description: configured.description.as_deref().map(read).transpose()?,
        openapi: configured.openapi.as_deref().map(read).transpose()?,
        hosts: configured.hosts.clone(),
        scheme: configured.scheme.clone(),
        port: configured.port,
        allow_private: configured.allow_private,
    };
    let wanted = describe(&name, &new)?;
    let world = app.world();
    let same = world.registry.server(&name).is_some_and(|entry| {
        entry.server.transport == Transport::System(wanted.description.clone())
            && entry.server.allow_private == new.allow_private
    });
    if same {
        return Ok(());
    }
    add(app, &name, &new, &app.me.clone()).await.map(drop)
}
