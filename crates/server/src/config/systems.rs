//! `[systems.NAME]`: what is known of the systems calls touch.

use remit_core::name::Name;
use serde::Deserialize;

use super::error::ConfigError;

/// Longest word for an environment, in bytes.
const ENVIRONMENT_BYTES_MAX: usize = 40;

/// `[systems.NAME]`: NAME is what stands in front of the colon of a resource.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct System {
    /// `production`, `staging` …: what rules see as `resource.environment`; `unknown` when absent.
    pub environment: Option<String>,
}

impl System {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let key = format!("systems.{name}");
        name.parse::<Name>()
            .map_err(|error| ConfigError::value(&*key, error.to_string()))?;
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
}
