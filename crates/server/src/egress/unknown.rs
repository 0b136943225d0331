//! Hosts nobody registered, while a class is observed only: read by method alone, recorded with what would have been
//! decided, and let through as far as guardrails do. Where nothing is observed there is no such server.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::id::ServerId;
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_core::tool::{Tool, ToolRef, ToolState};
use remit_egress::authority::Authority;
use remit_egress::describe::{HostPattern, System, shipped};
use remit_store::servers::{Server, Transport};

use super::UNKNOWN;
use crate::registry::definition::Definition;
use crate::registry::snapshot::{ServerEntry, ToolEntry};

/// True for the server in calls to such hosts.
#[must_use]
pub fn is(server: &Name) -> bool {
    server.as_str() == UNKNOWN
}

/// Any host, as a server of the registry; `None` only if the shipped description were wrong, which a test excludes.
#[must_use]
pub fn entry() -> Option<ServerEntry> {
    let name: Name = UNKNOWN.parse().ok()?;
    let description = shipped("http")?;
    let system = System::parse(&name, description).ok()?;
    let mut tools = BTreeMap::new();
    for operation in system.all_operations() {
        let definition = Definition::new(operation.definition.clone())?;
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
        tools.insert(
            operation.name.clone(),
            Arc::new(ToolEntry::new(tool, Some(fingerprint), definition)),
        );
    }
    Some(ServerEntry {
        server: Server {
            name,
            id: ServerId::without_entropy(Timestamp(0)),
            transport: Transport::System(description.to_owned()),
            cwd: None,
            allow_private: false,
            shareable: false,
            uncontained: false,
            environment: Vec::new(),
            identity: Some(Digest::of(b"remit unknown hosts v1")),
            retired: false,
        },
        system: Some(Arc::new(system)),
        contained: true,
        tools,
    })
}

/// One such host as a system, over TLS.
#[must_use]
pub fn at(entry: &ServerEntry, authority: &Authority) -> Option<Arc<System>> {
    let any = entry.system.as_deref()?;
    let host = HostPattern::parse(authority.host()).ok()?;
    Some(Arc::new(System {
        hosts: vec![host],
        port: Some(authority.port()),
        ..any.clone()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_can_be_read() {
        let entry = entry().unwrap();
        assert!(entry.tools.len() >= 6 && entry.tools.values().all(|tool| tool.is_callable()));
        let authority = Authority::parse("api.example.org:8443", 443).unwrap();
        let system = at(&entry, &authority).unwrap();
        assert!(system.is_at("api.example.org", 8443) && !system.is_at("other.example.org", 8443));
    }
}
