//! `[systems.NAME]`: systems reached over HTTP, known from the start; `[egress]`: the way there.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::ConfigError;

/// `[systems.NAME]`: a shipped description, a description of one's own, or an OpenAPI document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct System {
    /// Name of a shipped description; NAME where one is shipped by it, else `http`.
    pub kind: Option<String>,
    /// File with a description (`docs/systems.md`).
    pub description: Option<PathBuf>,
    /// File with an OpenAPI 3 document (JSON).
    pub openapi: Option<PathBuf>,
    /// Hosts; those of the description when absent.
    pub hosts: Vec<String>,
    /// `https` or `http`; that of the description when absent.
    pub scheme: Option<String>,
    /// Port; that of the description when absent.
    pub port: Option<u16>,
    /// Its addresses may be on this machine or in a private network.
    pub allow_private: bool,
}

impl System {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let given = [
            self.kind.is_some(),
            self.description.is_some(),
            self.openapi.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(ConfigError::value(
                format!("systems.{name}"),
                "give one of `kind`, `description`, `openapi`",
            ));
        }
        Ok(())
    }
}

/// `[egress]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// File with further certificate authorities (PEM) that servers and systems may be trusted by.
    pub ca_file: Option<PathBuf>,
}
