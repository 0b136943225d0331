//! Where an API is: the first server of a list, its variables filled with their defaults.

use serde_json::Value;

/// Scheme, host, port and base path; no host where the document leaves it to whoever adds the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scheme: Option<String>,
    pub(super) host: Option<String>,
    /// Where it is not the scheme's own.
    pub(super) port: Option<u16>,
    /// Without a slash at its end.
    pub(super) base: String,
}

impl Place {
    /// That of a whole document.
    pub(super) fn of(document: &Value) -> Result<Self, String> {
        document
            .get("servers")
            .map_or_else(|| Ok(Self::default()), Self::first)
    }

    /// The first of `servers`.
    pub(super) fn first(servers: &Value) -> Result<Self, String> {
        let Some(server) = servers.get(0) else {
            return Ok(Self::default());
        };
        let url = filled(server)?;
        let Some((scheme, rest)) = url.split_once("://") else {
            return Ok(Self {
                base: url.trim_end_matches('/').to_owned(),
                ..Self::default()
            });
        };
        let (authority, path) = rest
            .split_at_checked(rest.find('/').unwrap_or(rest.len()))
            .unwrap_or_default();
        let own = if scheme == "http" { 80 } else { 443 };
        let read = crate::authority::Authority::parse(authority, own).map_err(|bad| bad.to_string())?;
        Ok(Self {
            scheme: Some(scheme.to_owned()),
            host: Some(read.host().to_owned()),
            port: (read.port() != own).then_some(read.port()),
            base: path.trim_end_matches('/').to_owned(),
        })
    }
}

/// The address with each variable's default in its place.
fn filled(server: &Value) -> Result<String, String> {
    let url = server.get("url").and_then(Value::as_str).unwrap_or("/");
    let mut out = String::new();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after
            .split_once('}')
            .ok_or_else(|| format!("the server `{url}` has a `{{` without `}}`"))?;
        let default = server
            .get("variables")
            .and_then(|variables| variables.get(name)?.get("default")?.as_str())
            .ok_or_else(|| format!("the server `{url}` has no default for `{name}`: write its address"))?;
        out.push_str(before);
        out.push_str(default);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}
