//! The registry as decisions see it: servers, and their tools as they were admitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::authority::{Authority, Scope};
use remit_core::digest::Digest;
use remit_core::id::ServerId;
use remit_core::json::Object;
use remit_core::name::{Name, ToolName};
use remit_core::resource::Resource;
use remit_core::tool::{Tool, ToolRef, ToolState};
use remit_egress::describe::System;
use remit_store::servers::Server;
use remit_upstream::MirroredHeader;

use super::definition::Definition;
use super::schema::ArgumentCheck;
use super::surface;
use crate::egress::unknown;
use crate::tasks::builtin;

/// All servers.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    servers: BTreeMap<Name, Arc<ServerEntry>>,
    unknown: Option<Arc<ServerEntry>>,
}

/// One server.
#[derive(Clone, Debug)]
pub struct ServerEntry {
    /// As registered.
    pub server: Server,
    /// Its tools, whatever their state.
    pub tools: BTreeMap<ToolName, Arc<ToolEntry>>,
    /// What it is, when it is no MCP server but a system reached over HTTP.
    pub system: Option<Arc<System>>,
    /// Whatever it does over the network passes Remit too.
    pub contained: bool,
}

/// One tool.
#[derive(Clone, Debug)]
pub struct ToolEntry {
    /// Registry state, fingerprint last seen, classification.
    pub tool: Tool,
    /// Fingerprint that was admitted.
    pub admitted: Option<Digest>,
    /// The definition that counts: the admitted one, else the one last seen.
    pub definition: Definition,
    /// Its arguments' check; `Err` says why it cannot be used.
    pub check: Result<ArgumentCheck, String>,
    /// Arguments that travel as headers too (MCP 2026-07-28, SEP-2243).
    pub mirrored: Arc<[MirroredHeader]>,
}

impl Registry {
    /// A registry of these servers.
    #[must_use]
    pub fn new(servers: impl IntoIterator<Item = ServerEntry>) -> Self {
        Self {
            servers: servers
                .into_iter()
                .map(|entry| (entry.server.name.clone(), Arc::new(entry)))
                .collect(),
            unknown: None,
        }
    }

    /// The same, with hosts nobody registered as a server of their own.
    #[must_use]
    pub fn with_unknown_hosts(self, entry: Option<ServerEntry>) -> Self {
        Self {
            unknown: entry.map(Arc::new),
            ..self
        }
    }

    /// Hosts nobody registered, where they are read at all; in no list.
    #[must_use]
    pub fn unknown_hosts(&self) -> Option<&Arc<ServerEntry>> {
        self.unknown.as_ref()
    }

    /// One server that is not retired, or one of our own.
    #[must_use]
    pub fn server(&self, name: &Name) -> Option<&Arc<ServerEntry>> {
        if builtin::is(name) {
            return builtin::server();
        }
        if unknown::is(name) {
            return self.unknown.as_ref();
        }
        self.servers.get(name).filter(|entry| !entry.server.retired)
    }

    /// All servers that are not retired, by name; the built-in one is in no list.
    pub fn servers(&self) -> impl Iterator<Item = &Arc<ServerEntry>> {
        self.servers.values().filter(|entry| !entry.server.retired)
    }

    /// The system at a host and port.
    #[must_use]
    pub fn system_at(&self, host: &str, port: u16) -> Option<&Arc<System>> {
        self.servers()
            .filter_map(|entry| entry.system.as_ref())
            .find(|system| system.is_at(host, port))
    }

    /// The resource as calls name it: in lower case where its system says that case does not count.
    #[must_use]
    pub fn folded(&self, resource: &Resource) -> Resource {
        let system = self
            .server(resource.system())
            .and_then(|entry| entry.system.as_ref());
        let folded = system.filter(|system| system.fold > 0).and_then(|system| {
            let text = resource.to_string();
            let (name, path) = text.split_once(':')?;
            format!("{name}:{}", system.folded(path)).parse().ok()
        });
        folded.unwrap_or_else(|| resource.clone())
    }

    /// An authority whose roots are as calls name them.
    pub fn fold(&self, authority: &mut Authority) {
        if let Scope::Only(roots) = &mut authority.resources {
            *roots = roots.iter().map(|root| self.folded(root)).collect();
        }
    }

    /// One tool, whatever its state.
    #[must_use]
    pub fn tool(&self, name: &ToolRef) -> Option<&Arc<ToolEntry>> {
        self.server(&name.server)?.tools.get(&name.tool)
    }

    /// All tools of all servers, whatever their state.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<ToolEntry>> {
        self.servers().flat_map(|server| server.tools.values())
    }
}

impl ServerEntry {
    /// True for a database, which Remit serves itself: there is nothing to connect to before a call.
    #[must_use]
    pub const fn is_database(&self) -> bool {
        matches!(
            self.server.transport,
            remit_store::servers::Transport::Database(_)
        )
    }

    /// Id in the registry.
    #[must_use]
    pub const fn id(&self) -> ServerId {
        self.server.id
    }

    /// An entry that is no tool, as admitted; `None` while it is quarantined or was never seen.
    #[must_use]
    pub fn surface(&self, name: &str) -> Option<&Object> {
        let entry = self.tools.get(&name.parse::<ToolName>().ok()?)?;
        entry.is_callable().then_some(&entry.definition.object)
    }

    /// The admitted entries of one kind, [`surface::PROMPT`] or [`surface::TEMPLATE`], as the server gave them.
    pub fn surface_list(&self, kind: &str) -> impl Iterator<Item = &Object> {
        self.tools
            .values()
            .filter(|entry| entry.is_surface() && entry.is_callable())
            .filter_map(move |entry| entry.definition.object.get(kind)?.as_object())
    }

    /// The URI templates known of this server, admitted or not.
    pub fn templates(&self) -> impl Iterator<Item = &str> {
        self.tools
            .values()
            .filter(|entry| entry.is_surface())
            .filter_map(|entry| {
                entry
                    .definition
                    .object
                    .get(surface::TEMPLATE)?
                    .get("uriTemplate")?
                    .as_str()
            })
    }
}

impl ToolEntry {
    /// An entry from what is stored.
    #[must_use]
    pub fn new(tool: Tool, admitted: Option<Digest>, definition: Definition) -> Self {
        let check = ArgumentCheck::new(&definition.input_schema());
        let mirrored = remit_upstream::mirrored_headers(&definition.object);
        let check = match &mirrored {
            Err(why) => Err(why.clone()),
            Ok(_) => check,
        };
        Self {
            tool,
            admitted,
            definition,
            check,
            mirrored: mirrored.unwrap_or_default().into(),
        }
    }

    /// True when the definition changed since it was admitted.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.admitted
            .is_some_and(|admitted| admitted != self.tool.fingerprint)
    }

    /// True when tasks that name it may call it.
    #[must_use]
    pub fn is_callable(&self) -> bool {
        self.tool.state == ToolState::Admitted && !self.changed() && self.check.is_ok()
    }

    /// True for what is no tool: instructions, capabilities, prompts, templates.
    #[must_use]
    pub fn is_surface(&self) -> bool {
        surface::is_surface(&self.tool.name.tool)
    }
}
