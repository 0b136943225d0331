//! Catalogs: what one task may see of one server, or of all of them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use remit_core::authority::Authority;
use remit_core::digest::Digest;
use remit_core::json::{Object, Value};
use remit_core::limits::AGGREGATED_NAME_BYTES_MAX;
use remit_core::name::Name;
use remit_core::tool::{ToolClass, ToolRef};
use remit_gateway::ports::{Catalog, Endpoint, Era, Listed};

use super::links::{For, link};
use super::live::Live;
use super::world::World;
use crate::app::App;
use crate::registry::snapshot::ServerEntry;
use crate::registry::surface;
use crate::tasks::builtin;

/// What stands in front of the names of our own tools.
const OURS: &str = "remit__";

/// What the task may see at an endpoint, after asking its servers. Those that cannot be reached show what the registry
/// knows of them.
pub async fn catalog(app: &Arc<App>, live: &Arc<Live>, endpoint: &Endpoint, era: Era) -> Arc<Catalog> {
    let task = Arc::clone(&live.snapshot().task);
    let servers = visible(&app.world(), &task.authority, endpoint);
    let servers: Vec<_> = servers
        .into_iter()
        .filter(|entry| !builtin::is(&entry.server.name) && !entry.is_database())
        .collect();
    let opening = servers.iter().map(|entry| link(app, For::Task(live), entry, era));
    for (entry, opened) in servers.iter().zip(futures_util::future::join_all(opening).await) {
        match opened {
            Ok(link) => {
                let resources = link
                    .resources
                    .read()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                live.remember_resources(&entry.server.name, resources);
            }
            Err(failure) => {
                tracing::warn!(server = %entry.server.name, %failure, "listed from the registry: the server cannot be reached");
            }
        }
    }
    known(app, live, endpoint)
}

/// The same as far as it is known without a word to any server. Kept until the world or the task changes.
pub fn known(app: &App, live: &Live, endpoint: &Endpoint) -> Arc<Catalog> {
    let world = app.world();
    let task = Arc::clone(&live.snapshot().task);
    if let Some(kept) = live.kept_catalog(endpoint, world.epochs, task.version) {
        return kept;
    }
    let mut catalog = Catalog::default();
    for entry in visible(&world, &task.authority, endpoint) {
        list(
            &mut catalog,
            &entry,
            &task.authority,
            endpoint,
            &live.resources_of(&entry.server.name),
        );
    }
    own(&mut catalog);
    if app.config.policy.list_decoy
        && let Some(server) = builtin::server()
    {
        let name = builtin::decoy::name(app, task.run);
        let exposed = format!("{}__{name}", server.server.name);
        catalog.tools.push(listed(
            &server.server.name,
            &name,
            exposed,
            "name",
            builtin::decoy::definition(),
        ));
    }
    let catalog = Arc::new(catalog);
    live.keep_catalog(endpoint.clone(), world.epochs, task.version, Arc::clone(&catalog));
    catalog
}

/// What every run may ask of Remit itself, under the same names on every endpoint.
fn own(catalog: &mut Catalog) {
    for tool in builtin::tools() {
        let (server, name) = (&tool.tool.name.server, tool.tool.name.tool.as_str());
        let definition = tool.definition.object.clone();
        let exposed = format!("{server}__{name}");
        catalog
            .tools
            .push(listed(server, name, exposed, "name", definition));
    }
}

/// Servers of which the task may use anything.
fn visible(world: &World, authority: &Authority, endpoint: &Endpoint) -> Vec<Arc<ServerEntry>> {
    // Systems are not MCP servers: they are reached through the egress proxy.
    let may_use = |entry: &&Arc<ServerEntry>| {
        entry.system.is_none()
            && entry
                .tools
                .values()
                .any(|tool| authority.selects(&tool.tool.name, tool.tool.classification.class))
    };
    match endpoint {
        Endpoint::Server(name) => world
            .registry
            .server(name)
            .filter(may_use)
            .cloned()
            .into_iter()
            .collect(),
        Endpoint::Aggregated => world.registry.servers().filter(may_use).cloned().collect(),
    }
}

fn list(
    catalog: &mut Catalog,
    entry: &ServerEntry,
    authority: &Authority,
    endpoint: &Endpoint,
    resources: &[Object],
) {
    let server = &entry.server.name;
    let prefixed = *endpoint == Endpoint::Aggregated;
    let mut taken: BTreeSet<String> = catalog.tools.iter().map(|tool| tool.exposed.clone()).collect();
    for tool in entry
        .tools
        .values()
        .filter(|tool| !tool.is_surface() && tool.is_callable())
    {
        let name = tool.tool.name.tool.as_str();
        // Names that are ours on every endpoint stand for nothing else.
        if !prefixed && name.starts_with(OURS) {
            continue;
        }
        if authority.selects(&tool.tool.name, tool.tool.classification.class) {
            let exposed = if prefixed {
                aggregated(server, name, &mut taken)
            } else {
                name.to_owned()
            };
            catalog.tools.push(listed(
                server,
                name,
                exposed,
                "name",
                tool.definition.object.clone(),
            ));
        }
    }
    // These operations are selected with their server or class, never one by one.
    let whole = ".".parse().ok().map(|tool| ToolRef {
        server: server.clone(),
        tool,
    });
    if !whole.is_some_and(|whole| authority.selects(&whole, ToolClass::Read)) {
        return;
    }
    let shown = entry.surface(surface::INSTRUCTIONS);
    if let Some(text) = shown.and_then(|shown| shown.get("instructions")?.as_str()) {
        let text = if prefixed {
            format!("{server}: {text}")
        } else {
            text.to_owned()
        };
        catalog.instructions = Some(
            catalog
                .instructions
                .take()
                .map_or(text.clone(), |before| format!("{before}\n\n{text}")),
        );
    }
    let mut taken: BTreeSet<String> = catalog
        .prompts
        .iter()
        .map(|prompt| prompt.exposed.clone())
        .collect();
    for prompt in entry.surface_list(surface::PROMPT) {
        if let Some(name) = prompt.get("name").and_then(Value::as_str) {
            let exposed = if prefixed {
                aggregated(server, name, &mut taken)
            } else {
                name.to_owned()
            };
            catalog
                .prompts
                .push(listed(server, name, exposed, "name", prompt.clone()));
        }
    }
    for template in entry.surface_list(surface::TEMPLATE) {
        if let Some(uri) = template.get("uriTemplate").and_then(Value::as_str) {
            catalog.templates.push(listed(
                server,
                uri,
                uri.to_owned(),
                "uriTemplate",
                template.clone(),
            ));
        }
    }
    let Some(shown) = entry.surface(surface::CAPABILITIES) else {
        return;
    };
    let flag = |name: &str| shown.get(name).and_then(Value::as_bool).unwrap_or(false);
    catalog.completions |= flag("completions");
    catalog.subscriptions |= flag("subscriptions");
    catalog.logging |= flag("logging");
    for resource in resources.iter().cloned() {
        if let Some(uri) = resource.get("uri").and_then(Value::as_str).map(str::to_owned) {
            catalog
                .resources
                .push(listed(server, &uri, uri.clone(), "uri", resource));
        }
    }
}

fn listed(server: &Name, own_name: &str, exposed: String, key: &str, mut definition: Object) -> Listed {
    definition.insert(key, exposed.as_str());
    Listed {
        server: server.clone(),
        own_name: own_name.to_owned(),
        exposed,
        definition,
    }
}

/// `server__name` in what model providers accept; what does not fit ends with eight digits of its digest.
fn aggregated(server: &Name, name: &str, taken: &mut BTreeSet<String>) -> String {
    let plain = |text: &str| -> String {
        text.chars()
            .map(|c| {
                if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
                    c
                } else {
                    '_'
                }
            })
            .collect()
    };
    let whole = format!("{}__{}", plain(server.as_str()), plain(name));
    let is_exact = whole == format!("{server}__{name}");
    let exposed = if is_exact && whole.len() <= AGGREGATED_NAME_BYTES_MAX && !taken.contains(&whole) {
        whole
    } else {
        let digest = Digest::of(format!("{server}\n{name}").as_bytes());
        let mark: String = digest
            .as_bytes()
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let kept: String = whole
            .chars()
            .take(AGGREGATED_NAME_BYTES_MAX - 1 - mark.len())
            .collect();
        format!("{kept}_{mark}")
    };
    taken.insert(exposed.clone());
    exposed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregated_names_fit_and_never_collide() {
        let mut taken = BTreeSet::new();
        let server: Name = "fs".parse().unwrap();
        assert_eq!(aggregated(&server, "read_file", &mut taken), "fs__read_file");
        let dotted = aggregated(&server, "read.file", &mut taken);
        assert!(
            dotted.starts_with("fs__read_file_") && dotted.len() <= 64,
            "{dotted}"
        );
        let long = aggregated(&server, &"x".repeat(100), &mut taken);
        assert_eq!(long.len(), 64);
        assert_ne!(long, aggregated(&server, &"x".repeat(101), &mut taken));
    }
}
