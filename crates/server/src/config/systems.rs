//! `[systems.NAME]`: what is known of a system, and how it is reached over HTTP; `[egress]`: the way there.

use std::path::PathBuf;

use remit_core::name::Name;
use serde::Deserialize;

use super::error::ConfigError;

/// Longest word for an environment, in bytes.
const ENVIRONMENT_BYTES_MAX: usize = 40;

/// `[systems.NAME]`, where NAME is what stands in front of the colon of a resource: a shipped description, a description of one's own, or an OpenAPI document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct System {
    /// `production`, `staging` …: what rules see as `resource.environment`; `unknown` when absent.
    pub environment: Option<String>,
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
        let key = format!("systems.{name}");
        name.parse::<Name>()
            .map_err(|error| ConfigError::value(&*key, error.to_string()))?;
        self.check_environment(&key)?;
        let given = [
            self.kind.is_some(),
            self.description.is_some(),
            self.openapi.is_some(),
        ];
        if given.into_iter().filter(|given| *given).count() > 1 {
            return Err(ConfigError::value(
                key,
                "give one of `kind`, `description`, `openapi`",
            ));
        }
        Ok(())
    }

    fn check_environment(&self, key: &str) -> Result<(), ConfigError> {
        let Some(environment) = &self.environment else {
            return Ok(());
        };
        let letters = environment
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        if environment.is_empty() || environment.len() > ENVIRONMENT_BYTES_MAX || !letters {
            let message =
                format!("`{environment}` is not a word of 1 to {ENVIRONMENT_BYTES_MAX} of `a-z 0-9 - _`");
            return Err(ConfigError::value(format!("{key}.environment"), message));
        }
        Ok(())
    }

    /// True when nothing says how it is reached: only something is known about it.
    #[must_use]
    pub const fn is_only_described(&self) -> bool {
        self.environment.is_some()
            && self.kind.is_none()
            && self.description.is_none()
            && self.openapi.is_none()
            && self.hosts.is_empty()
    }
}

/// `[egress]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Egress {
    /// File with further certificate authorities (PEM) that servers and systems may be trusted by.
    pub ca_file: Option<PathBuf>,
}
