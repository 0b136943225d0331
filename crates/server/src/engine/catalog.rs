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
use crate::app::App;
use crate::registry::snapshot::{SURFACE, ServerEntry};

/// What the task may see at an endpoint. Servers that cannot be reached show what the registry knows of them.
pub async fn catalog(app: &Arc<App>, live: &Arc<Live>, endpoint: &Endpoint, era: Era) -> Catalog {
    let authority = live.snapshot().task.authority.clone();
    let visible = |entry: &ServerEntry| {
        entry
            .tools
            .values()
            .any(|tool| authority.selects(&tool.tool.name, tool.tool.classification.class))
    };
    let servers: Vec<Arc<ServerEntry>> = match endpoint {
        Endpoint::Server(name) => app.world().registry.server(name).cloned().into_iter().collect(),
        Endpoint::Aggregated => app
            .world()
            .registry
            .servers()
            .filter(|entry| visible(entry))
            .cloned()
            .collect(),
    };
    let opening = servers
        .iter()
        .filter(|entry| visible(entry))
        .map(|entry| link(app, For::Task(live), entry, era));
    let links = futures_util::future::join_all(opening).await;
    let links: Vec<_> = servers.iter().filter(|entry| visible(entry)).zip(links).collect();
    let mut catalog = Catalog::default();
    let world = app.world();
    for (before, link) in links {
        let Some(entry) = world.registry.server(&before.server.name) else {
            continue;
        };
        let resources = match link {
            Ok(link) => link
                .resources
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .to_vec(),
            Err(failure) => {
                tracing::warn!(server = %entry.server.name, %failure, "listed from the registry: the server cannot be reached");
                Vec::new()
            }
        };
        list(&mut catalog, entry, &authority, endpoint, resources);
    }
    catalog
}

fn list(
    catalog: &mut Catalog,
    entry: &ServerEntry,
    authority: &Authority,
    endpoint: &Endpoint,
    resources: Vec<Object>,
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
    let surface = SURFACE.parse().ok().map(|tool| ToolRef {
        server: server.clone(),
        tool,
    });
    let Some(shown) = entry
        .surface()
        .filter(|_| surface.is_some_and(|s| authority.selects(&s, ToolClass::Read)))
    else {
        return;
    };
    let flag = |name: &str| shown.get(name).and_then(Value::as_bool).unwrap_or(false);
    catalog.completions |= flag("completions");
    catalog.subscriptions |= flag("subscriptions");
    catalog.logging |= flag("logging");
    if let Some(text) = shown.get("instructions").and_then(Value::as_str) {
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
    for prompt in entry.surface_list("prompts") {
        if let Some(name) = prompt.get("name").and_then(Value::as_str).map(str::to_owned) {
            let exposed = if prefixed {
                aggregated(server, &name, &mut taken)
            } else {
                name.clone()
            };
            catalog
                .prompts
                .push(listed(server, &name, exposed, "name", prompt));
        }
    }
    for template in entry.surface_list("resourceTemplates") {
        if let Some(uri) = template
            .get("uriTemplate")
            .and_then(Value::as_str)
            .map(str::to_owned)
        {
            catalog
                .templates
                .push(listed(server, &uri, uri.clone(), "uriTemplate", template));
        }
    }
    for resource in resources {
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
