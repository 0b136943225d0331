//! The registry as decisions see it: servers, and their tools as they were admitted.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::id::ServerId;
use remit_core::json::{Object, Value};
use remit_core::name::{Name, ToolName};
use remit_core::tool::{Tool, ToolRef, ToolState};
use remit_egress::describe::System;
use remit_store::servers::Server;
use remit_upstream::MirroredHeader;

use super::definition::Definition;
use super::schema::ArgumentCheck;
use crate::tasks::builtin;

/// The pseudo tool that stands for everything of a server that is not a tool: instructions, prompts, resource templates.
pub const SURFACE: &str = ".surface";

/// All servers.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    servers: BTreeMap<Name, Arc<ServerEntry>>,
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
        }
    }

    /// One server that is not retired, or the built-in one.
    #[must_use]
    pub fn server(&self, name: &Name) -> Option<&Arc<ServerEntry>> {
        if builtin::is(name) {
            return builtin::server();
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
    /// Id in the registry.
    #[must_use]
    pub const fn id(&self) -> ServerId {
        self.server.id
    }

    /// Everything that is not a tool, as admitted; `None` while it is quarantined or was never seen.
    #[must_use]
    pub fn surface(&self) -> Option<&Object> {
        let entry = self.tools.get(&SURFACE.parse().ok()?)?;
        entry.is_callable().then_some(&entry.definition.object)
    }

    /// A list of the surface: `prompts`, `resourceTemplates`.
    #[must_use]
    pub fn surface_list(&self, name: &str) -> Vec<Object> {
        let list = self
            .surface()
            .and_then(|surface| surface.get(name))
            .and_then(Value::as_array)
            .unwrap_or_default();
        list.iter().filter_map(Value::as_object).cloned().collect()
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

    /// True for the pseudo tool.
    #[must_use]
    pub fn is_surface(&self) -> bool {
        self.tool.name.tool.as_str() == SURFACE
    }
}
