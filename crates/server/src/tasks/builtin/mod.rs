//! The built-in server `remit`: what a run may ask of Remit itself. Its tools are calls like any other: decided by
//! policy, recorded before anything happens, held where a rule asks for people. Only the last step differs: they are
//! performed here and reach no upstream.

mod arguments;
pub mod decoy;
mod definitions;
mod perform;

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use remit_core::digest::Digest;
use remit_core::id::ServerId;
use remit_core::json::{Bounds, Value, parse};
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, Marks, Tool, ToolClass, ToolRef, ToolState};
use remit_store::servers::{Server, Transport};

pub use perform::perform;

use crate::registry::definition::Definition;
use crate::registry::snapshot::{ServerEntry, ToolEntry};

/// The name of the server; nothing else can be registered under it.
pub const SERVER: &str = "remit";
/// Hands a part of the work to another agent.
pub const DELEGATE: &str = "delegate";
/// Asks for more than the task allows.
pub const REQUEST_ACCESS: &str = "request_access";
/// Asks for more time.
pub const RENEW: &str = "renew";

/// True for the built-in server.
#[must_use]
pub fn is(server: &Name) -> bool {
    server.as_str() == SERVER
}

/// The built-in server; `None` only if this file were wrong, which a test excludes.
#[must_use]
pub fn server() -> Option<&'static Arc<ServerEntry>> {
    static ENTRY: LazyLock<Option<Arc<ServerEntry>>> = LazyLock::new(|| entry().map(Arc::new));
    ENTRY.as_ref()
}

/// Its tools.
pub fn tools() -> impl Iterator<Item = &'static Arc<ToolEntry>> {
    server().into_iter().flat_map(|entry| entry.tools.values())
}

fn entry() -> Option<ServerEntry> {
    let name: Name = SERVER.parse().ok()?;
    let mut tools = BTreeMap::new();
    for (class, text) in definitions::ALL {
        let value = parse(text.as_bytes(), &Bounds::RESPONSE).ok()?;
        let Value::Object(object) = value else { return None };
        let definition = Definition::new(object)?;
        let fingerprint = definition.fingerprint();
        let tool = Tool {
            name: ToolRef {
                server: name.clone(),
                tool: definition.name().ok()?,
            },
            fingerprint,
            state: ToolState::Admitted,
            classification: Classification {
                class,
                marks: Marks::default(),
                arguments: Vec::new(),
                labels: Labels::new(),
                because: "built in".to_owned(),
            },
        };
        let key = tool.name.tool.clone();
        tools.insert(key, Arc::new(ToolEntry::new(tool, Some(fingerprint), definition)));
    }
    Some(ServerEntry {
        server: Server {
            name,
            id: ServerId::without_entropy(Timestamp(0)),
            transport: Transport::Command(Vec::new()),
            cwd: None,
            allow_private: false,
            shareable: true,
            uncontained: false,
            environment: Vec::new(),
            identity: Some(Digest::of(b"remit built-in server v1")),
            retired: false,
        },
        system: None,
        contained: true,
        tools,
    })
}

/// The class of each tool, for tests and documents.
#[must_use]
pub fn classes() -> Vec<(&'static str, ToolClass)> {
    tools()
        .map(|tool| (tool.tool.name.tool.as_str(), tool.tool.classification.class))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_there_and_can_be_called() {
        let names: Vec<&str> = classes().iter().map(|(name, _)| *name).collect();
        assert_eq!(
            names,
            ["delegate", "done", "heartbeat", "renew", "request_access", "task"]
        );
        for tool in tools() {
            assert!(
                tool.is_callable(),
                "{}: {:?}",
                tool.tool.name,
                tool.check.as_ref().err()
            );
        }
    }
}
