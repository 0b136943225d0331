//! From the name a client uses on an endpoint to the server and the server's own name.

use remit_core::name::Name;

use crate::ports::{Catalog, Endpoint, Listed};
use crate::rpc::RpcError;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tool.
    Tool,
    /// A prompt.
    Prompt,
    /// A resource, by its URI.
    Resource,
    /// A resource template, by its URI template.
    Template,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Template => "resource template",
        }
    }

    fn list(self, catalog: &Catalog) -> &[Listed] {
        match self {
            Self::Tool => &catalog.tools,
            Self::Prompt => &catalog.prompts,
            Self::Resource => &catalog.resources,
            Self::Template => &catalog.templates,
        }
    }
}

/// The list entry that is called `exposed` here.
pub(crate) fn listed<'a>(catalog: &'a Catalog, kind: Kind, exposed: &str) -> Option<&'a Listed> {
    kind.list(catalog).iter().find(|entry| entry.exposed == exposed)
}

/// Which server is meant, and its own name for the thing. What is not listed is resolved all the same, so that its
/// denial is decided and recorded.
///
/// # Errors
/// `-32602` when no server can be read from an aggregated name.
pub(crate) fn resolve(
    endpoint: &Endpoint,
    catalog: Option<&Catalog>,
    kind: Kind,
    exposed: &str,
) -> Result<(Name, String), RpcError> {
    if let Some(entry) = catalog.and_then(|catalog| listed(catalog, kind, exposed)) {
        return Ok((entry.server.clone(), entry.own_name.clone()));
    }
    if let Endpoint::Server(server) = endpoint {
        return Ok((server.clone(), exposed.to_owned()));
    }
    if kind == Kind::Resource
        && let Some(found) = catalog.and_then(|catalog| expanded(catalog, exposed))
    {
        return Ok(found);
    }
    split(exposed).ok_or_else(|| {
        let shown: String = exposed.chars().take(140).flat_map(char::escape_debug).collect();
        let word = kind.word();
        RpcError::invalid_params(format!(
            "no {word} `{shown}` here: names on this endpoint are `server__{word}`, as the list gives them"
        ))
    })
}

/// The template whose fixed beginning is the longest that `uri` starts with.
fn expanded(catalog: &Catalog, uri: &str) -> Option<(Name, String)> {
    let fixed = |template: &str| template.split('{').next().unwrap_or_default().len();
    let best = catalog
        .templates
        .iter()
        .filter(|entry| {
            let beginning = entry.exposed.get(..fixed(&entry.exposed)).unwrap_or_default();
            !beginning.is_empty() && uri.starts_with(beginning)
        })
        .max_by_key(|entry| fixed(&entry.exposed))?;
    let rest = uri.get(fixed(&best.exposed)..)?;
    let own = best.own_name.get(..fixed(&best.own_name))?;
    Some((best.server.clone(), format!("{own}{rest}")))
}

fn split(exposed: &str) -> Option<(Name, String)> {
    let (server, own) = exposed.split_once("__")?;
    Some((server.parse().ok()?, own.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::json::Object;

    fn entry(server: &str, own: &str, exposed: &str) -> Listed {
        Listed {
            server: server.parse().unwrap(),
            own_name: own.to_owned(),
            exposed: exposed.to_owned(),
            definition: Object::new(),
        }
    }

    #[test]
    fn aggregated_names_go_to_their_server() {
        let catalog = Catalog {
            tools: vec![entry("web", "a_very.long", "web__a_very_long")],
            templates: vec![
                entry("files", "file:///{path}", "file:///{path}"),
                entry("logs", "file:///var/log/{name}", "file:///var/log/{name}"),
            ],
            ..Catalog::default()
        };
        let at = |kind, name: &str| {
            resolve(&Endpoint::Aggregated, Some(&catalog), kind, name)
                .map(|(server, own)| format!("{server} {own}"))
        };
        assert_eq!(at(Kind::Tool, "web__a_very_long").unwrap(), "web a_very.long");
        assert_eq!(at(Kind::Tool, "web__not_listed__x").unwrap(), "web not_listed__x");
        assert_eq!(at(Kind::Resource, "file:///a").unwrap(), "files file:///a");
        assert_eq!(
            at(Kind::Resource, "file:///var/log/x").unwrap(),
            "logs file:///var/log/x"
        );
        for unknown in ["plain", "Web__x", "__x", "we\u{202e}b__x"] {
            assert!(at(Kind::Tool, unknown).is_err(), "{unknown}");
        }
    }
}
