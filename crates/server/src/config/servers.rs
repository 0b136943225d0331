//! `[servers.NAME]`: MCP servers known from the start.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::error::ConfigError;
use super::server_oauth::UpstreamOauth;

/// `[servers.NAME]`: `command` or `url`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Program and arguments of a stdio server.
    pub command: Vec<String>,
    /// Address of a streamable HTTP server.
    pub url: Option<String>,
    /// Environment of a stdio server, beyond `PATH`, `HOME`, `LANG`.
    pub env: BTreeMap<String, String>,
    /// Working folder of a stdio server, an absolute path.
    pub cwd: Option<PathBuf>,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
    /// One process or session may serve several tasks.
    pub shareable: bool,
    /// A stdio server keeps the machine's network, where nobody decides what it does.
    pub uncontained: bool,
    /// An artefact that is not pinned to a version is accepted.
    pub accept_floating: bool,
    /// Who we are to its authorization server.
    pub oauth: Option<UpstreamOauth>,
}

impl Server {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        if self.command.is_empty() == self.url.is_none() {
            return Err(ConfigError::value(
                format!("servers.{name}"),
                "give either `command` or `url`",
            ));
        }
        if let Some(cwd) = &self.cwd {
            let key = format!("servers.{name}.cwd");
            if self.command.is_empty() {
                return Err(ConfigError::value(
                    key,
                    "only a server with a `command` has a working folder",
                ));
            }
            if !cwd.is_absolute() {
                let message = format!(
                    "`{}` is not an absolute path: write it from `/` on",
                    cwd.display()
                );
                return Err(ConfigError::value(key, message));
            }
        }
        if self.uncontained && self.command.is_empty() {
            return Err(ConfigError::value(
                format!("servers.{name}.uncontained"),
                "only a server with a `command` has a network of its own",
            ));
        }
        match &self.oauth {
            Some(_) if self.url.is_none() => Err(ConfigError::value(
                format!("servers.{name}.oauth"),
                "only servers with a `url` are signed in to",
            )),
            Some(oauth) => oauth.check(name),
            None => Ok(()),
        }
    }
}
