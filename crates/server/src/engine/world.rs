//! The world: one immutable snapshot of everything a decision reads that is not the task itself.
//!
//! Every change of it is an append that moves an epoch; a decision made with an older world is refused by its own append
//! and made anew.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use remit_core::json::Value;
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Role};
use remit_core::resource::Resource;
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, ToolClass};
use remit_policy::Bundle;
use remit_store::Epochs;
use remit_store::servers::{Server, Transport};

use super::decide::Prepared;
use crate::app::Failure;
use crate::config::Config;
use crate::policies::{Files, Templates};
use crate::registry::snapshot::{Registry, ToolEntry};

/// One snapshot.
#[derive(Clone, Debug)]
pub struct World {
    /// Which one; every append of a decision expects these.
    pub epochs: Epochs,
    /// Agents by name.
    pub agents: BTreeMap<Name, Arc<Agent>>,
    /// Humans by name.
    pub humans: BTreeMap<Name, Arc<Human>>,
    /// Servers and tools.
    pub registry: Registry,
    /// What is frozen, until when.
    pub freezes: Vec<Freeze>,
    /// Rules against this registry.
    pub policy: Arc<Bundle>,
    /// Templates in force.
    pub templates: Arc<Templates>,
    /// Environments of systems.
    pub environments: Environments,
    /// Classes that are observed only, until when.
    pub observed: BTreeMap<ToolClass, Timestamp>,
    /// The rules that bind an observed call: guardrails and templates. `None` when nothing is observed.
    pub observing: Option<Arc<Bundle>>,
}

/// Environments of systems, as configured.
#[derive(Clone, Debug, Default)]
pub struct Environments(BTreeMap<String, String>);

impl Environments {
    /// What `[systems.NAME]` says.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let said = config.systems.iter();
        Self(
            said.filter_map(|(system, known)| Some((system.clone(), known.environment.clone()?)))
                .collect(),
        )
    }
}

impl remit_policy::Environments for Environments {
    fn of(&self, resource: &Resource) -> &str {
        self.0
            .get(resource.system().as_str())
            .map_or("unknown", String::as_str)
    }
}

/// Nothing may change below `resource` until `until`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Freeze {
    /// The root.
    pub resource: Resource,
    /// When it ends by itself.
    pub until: Timestamp,
    /// Who placed it.
    pub by: Name,
    /// Why.
    pub why: String,
}

/// The system of resources that stand for hosts: a freeze on one is a stop of everything that goes there.
pub const STOPPED_SYSTEM: &str = "host";

impl Freeze {
    /// True for the stop of a host.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        self.resource.system().as_str() == STOPPED_SYSTEM
    }
}

/// True when `host` is the one that is stopped, or lies below it.
#[must_use]
pub fn is_below(host: &str, stopped: &Resource) -> bool {
    let path: Vec<&str> = stopped.segments().collect();
    let stopped = path.join("/");
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == stopped
        || host
            .strip_suffix(&stopped)
            .is_some_and(|rest| rest.ends_with('.'))
}

/// The hosts a call reaches, as far as can be told before it leaves.
#[must_use]
pub fn hosts_of(prepared: &Prepared) -> Vec<String> {
    use remit_core::destination::DestinationKind;
    let destinations = prepared.call.destinations.iter();
    let mut hosts: Vec<String> = destinations
        .filter_map(|destination| match destination.kind() {
            DestinationKind::Host => Some(destination.value().to_owned()),
            DestinationKind::Url => host_of_url(destination.value()),
            DestinationKind::Mail => destination.value().rsplit_once('@').map(|(_, at)| at.to_owned()),
            _ => None,
        })
        .collect();
    if let Some(entry) = &prepared.server {
        hosts.extend(match &entry.server.transport {
            Transport::System(_) => prepared
                .call
                .arguments
                .get("host")
                .and_then(Value::as_str)
                .map(str::to_owned),
            _ => host_of_server(&entry.server),
        });
    }
    hosts
}

fn host_of_server(server: &Server) -> Option<String> {
    match &server.transport {
        Transport::Url(url) => host_of_url(url),
        // The call itself names the host it goes to; where a database is stands in the configuration alone.
        Transport::Command(_) | Transport::System(_) | Transport::Database(_) => None,
    }
}

fn host_of_url(url: &str) -> Option<String> {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = after.split(['/', '?', '#']).next()?;
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next(),
        None => host.split(':').next(),
    };
    name.map(str::to_ascii_lowercase)
}

impl World {
    /// Roots frozen at `now`.
    #[must_use]
    pub fn frozen(&self, now: Timestamp) -> Vec<Resource> {
        self.freezes
            .iter()
            .filter(|freeze| now < freeze.until)
            .map(|freeze| freeze.resource.clone())
            .collect()
    }

    /// Why a call may not go where it goes: a stop is on for one of its hosts.
    #[must_use]
    pub fn stopped(&self, prepared: &Prepared, now: Timestamp) -> Option<String> {
        if !self.freezes.iter().any(Freeze::is_stop) {
            return None;
        }
        let hosts = hosts_of(prepared);
        let on = self
            .freezes
            .iter()
            .filter(|freeze| freeze.is_stop() && now < freeze.until);
        on.flat_map(|stop| {
            hosts
                .iter()
                .filter(|host| is_below(host, &stop.resource))
                .map(move |host| (stop, host))
        })
        .map(|(stop, host)| format!("{} has stopped everything that goes to `{host}`", stop.by))
        .next()
    }

    /// True when a server itself lies at a host that is stopped.
    #[must_use]
    pub fn stopped_server(&self, server: &Server, now: Timestamp) -> bool {
        host_of_server(server).is_some_and(|host| {
            self.freezes
                .iter()
                .any(|freeze| freeze.is_stop() && now < freeze.until && is_below(&host, &freeze.resource))
        })
    }

    /// Until when calls of this class are observed only; never what cannot be undone.
    #[must_use]
    pub fn observed(&self, classification: &Classification, now: Timestamp) -> Option<Timestamp> {
        let until = *self.observed.get(&classification.class)?;
        (now < until && !classification.marks.irreversible).then_some(until)
    }

    /// Roles and groups that have at least one active human in them.
    #[must_use]
    pub fn groups(&self) -> BTreeSet<Role> {
        groups(self.humans.values().map(AsRef::as_ref))
    }
}

/// Roles that have at least one active human, and the built-in roles.
pub(crate) fn groups<'h>(humans: impl Iterator<Item = &'h Human>) -> BTreeSet<Role> {
    let built_in = [
        Role::Initiator,
        Role::Approver,
        Role::Auditor,
        Role::Administrator,
    ];
    built_in
        .into_iter()
        .chain(
            humans
                .filter(|human| human.may_decide())
                .flat_map(|human| human.roles.iter().cloned()),
        )
        .collect()
}

/// A world that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store cannot be read, or a row in it is not ours.
    #[error(transparent)]
    Store(#[from] remit_store::StoreError),
    /// A stored definition is not one.
    #[error("the stored definition of `{0}` cannot be read")]
    Definition(String),
    /// The policy in force cannot be read, or put there.
    #[error(transparent)]
    Bundle(Failure),
    /// The policy files do not fit the registry.
    #[error("the policy cannot be used:\n{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Policy(Vec<remit_policy::Problem>),
}

/// Reads the world as it stands. `contains`: this machine can take the network of the servers we start away.
///
/// # Errors
/// [`LoadError`]; there is no partial world.
pub fn load(
    conn: &mut remit_store::Conn,
    now: Timestamp,
    environments: Environments,
    contains: bool,
) -> Result<World, LoadError> {
    let epochs = remit_store::epochs(conn)?;
    let agents = remit_store::agents::list(conn)?
        .into_iter()
        .map(|a| (a.name.clone(), Arc::new(a.value)))
        .collect();
    let humans: BTreeMap<Name, Arc<Human>> = remit_store::humans::list(conn)?
        .into_iter()
        .map(|h| (h.name.clone(), Arc::new(h.value)))
        .collect();
    let freezes = remit_store::freezes::on(conn, now)?
        .into_iter()
        .map(|f| Freeze {
            resource: f.resource,
            until: f.until,
            by: f.placed_by,
            why: f.why,
        })
        .collect();
    let observed: BTreeMap<ToolClass, Timestamp> = remit_store::observations::list(conn)?
        .into_iter()
        .filter(|known| !known.ended && now < known.until)
        .map(|known| (known.class, known.until))
        .collect();
    let unknown = (!observed.is_empty())
        .then(crate::egress::unknown::entry)
        .flatten();
    let registry = load_registry(conn, contains)?.with_unknown_hosts(unknown);
    let groups = groups(humans.values().map(AsRef::as_ref));
    let kept = remit_store::policies::in_force(conn)?;
    let files = kept.map_or_else(|| Ok(Files::default()), |kept| Files::parse(&kept.bundle));
    let files = files.map_err(LoadError::Bundle)?;
    let templates = files.templates().map_err(LoadError::Bundle)?;
    let sources = files.sources(&templates);
    let policy = compile(&registry, &sources, &groups).map_err(LoadError::Policy)?;
    let observing = if observed.is_empty() {
        None
    } else {
        let bundle = compile(&registry, &crate::policies::observing(&sources), &groups);
        Some(Arc::new(bundle.map_err(LoadError::Policy)?))
    };
    Ok(World {
        epochs,
        agents,
        humans,
        registry,
        freezes,
        policy: Arc::new(policy),
        templates: Arc::new(templates),
        environments,
        observed,
        observing,
    })
}

/// Rules against the registry and the people that are stored now.
///
/// # Errors
/// [`LoadError`].
pub fn compiled(conn: &mut remit_store::Conn, sources: &[remit_policy::Source]) -> Result<Bundle, LoadError> {
    let humans = remit_store::humans::list(conn)?;
    let groups = groups(humans.iter().map(|human| &human.value));
    compile(&load_registry(conn, false)?, sources, &groups).map_err(LoadError::Policy)
}

/// Rules against the tools of a registry.
///
/// # Errors
/// Every problem found, with file, line and column.
pub fn compile(
    registry: &Registry,
    sources: &[remit_policy::Source],
    groups: &BTreeSet<Role>,
) -> Result<Bundle, Vec<remit_policy::Problem>> {
    let schema = |entry: &Arc<ToolEntry>| {
        let schema = remit_core::json::Value::Object(entry.definition.input_schema());
        (entry.tool.name.clone(), entry.tool.classification.class, schema)
    };
    let mut schemas: Vec<_> = registry
        .tools()
        .filter(|entry| !entry.is_surface())
        .map(schema)
        .collect();
    schemas.extend(crate::tasks::builtin::tools().map(schema));
    let unknown = registry.unknown_hosts().into_iter();
    schemas.extend(unknown.flat_map(|entry| entry.tools.values()).map(schema));
    let tools = schemas
        .iter()
        .map(|(tool, class, input_schema)| remit_policy::ToolSchema {
            tool: tool.clone(),
            class: *class,
            input_schema,
        });
    Bundle::load(sources, Arc::new(remit_policy::Catalogue::new(tools)), groups)
}

fn load_registry(conn: &mut remit_store::Conn, contains: bool) -> Result<Registry, LoadError> {
    use crate::registry::definition::Definition;
    use crate::registry::snapshot::ServerEntry;
    let mut tools: BTreeMap<Name, BTreeMap<_, Arc<ToolEntry>>> = BTreeMap::new();
    for stored in remit_store::tools::list(conn)? {
        let registered = stored.value;
        let name = registered.tool.name.clone();
        let shown = registered.admitted.unwrap_or(registered.tool.fingerprint);
        let bad = || LoadError::Definition(name.to_string());
        let kept = remit_store::tools::definition(conn, &name, shown)?.ok_or_else(bad)?;
        let value = remit_core::json::parse(&kept.definition, &remit_core::json::Bounds::RESPONSE)
            .map_err(|_| bad())?;
        let object = value.as_object().cloned().ok_or_else(bad)?;
        let definition = Definition::new(object).ok_or_else(bad)?;
        let entry = ToolEntry::new(registered.tool, registered.admitted, definition);
        tools
            .entry(name.server)
            .or_default()
            .insert(name.tool, Arc::new(entry));
    }
    let mut servers = Vec::new();
    for stored in remit_store::servers::list(conn)? {
        let system = match &stored.transport {
            remit_store::servers::Transport::System(text) => {
                let read = remit_egress::describe::System::parse(&stored.name, text);
                Some(Arc::new(
                    read.map_err(|bad| LoadError::Definition(bad.to_string()))?,
                ))
            }
            _ => None,
        };
        servers.push(ServerEntry {
            tools: tools.remove(&stored.name).unwrap_or_default(),
            contained: match &stored.transport {
                Transport::Command(_) => contains && !stored.uncontained,
                Transport::Url(_) => false,
                // Remit itself speaks to them.
                Transport::Database(_) | Transport::System(_) => true,
            },
            server: stored.value,
            system,
        });
    }
    Ok(Registry::new(servers))
}
