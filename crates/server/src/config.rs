//! `remit.toml`: one table per concern. Unknown keys are refused with their place.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use remit_core::limits;
use serde::Deserialize;

/// The whole configuration; every part has a default, so no file is needed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where agents reach us.
    pub listen: Listen,
    /// Where things are kept.
    pub store: Store,
    /// MCP servers known from the start.
    pub servers: BTreeMap<String, Server>,
    /// Policy of this installation.
    pub policy: Policy,
    /// How calls wait for people.
    pub hold: Hold,
}

/// `[listen]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address for agents; loopback only until TLS is configured.
    pub address: SocketAddr,
    /// Further `Host` names that are ours.
    pub hosts: Vec<String>,
    /// SPIFFE trust domain of this installation.
    pub trust_domain: String,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7420)),
            hosts: Vec::new(),
            trust_domain: "remit.local".to_owned(),
        }
    }
}

/// `[store]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// File of the embedded store; the XDG data folder when absent.
    pub path: Option<PathBuf>,
}

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
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
    /// One process or session may serve several tasks.
    pub shareable: bool,
    /// An artefact that is not pinned to a version is accepted.
    pub accept_floating: bool,
}

/// `[policy]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// Folder of `*.cedar` files of this installation; `policies` beside `remit.toml` when absent.
    pub dir: Option<PathBuf>,
    /// Folder of task templates; `templates` beside `remit.toml` when absent.
    pub templates: Option<PathBuf>,
}

/// `[hold]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hold {
    /// How long a held call waits inside the agent's request: `"20s"`, at most `"55s"`.
    pub wait: String,
    /// How long an approval stays open unanswered: `"24h"`.
    pub window: String,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            wait: "20s".to_owned(),
            window: "24h".to_owned(),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {message}")]
    Syntax {
        /// Which file.
        path: PathBuf,
        /// Place and sentence.
        message: String,
    },
    /// A value is out of bounds.
    #[error("`{key}`: {message}")]
    Value {
        /// Which key.
        key: String,
        /// What is wrong and what to do.
        message: String,
    },
}

impl Config {
    /// Reads `path`; a missing file is the default configuration when `must_exist` is false.
    ///
    /// # Errors
    /// [`ConfigError`] with the place of what is wrong.
    pub fn read(path: &Path, must_exist: bool) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(missing) if missing.kind() == std::io::ErrorKind::NotFound && !must_exist => {
                return Ok(Self::default());
            }
            Err(source) => {
                return Err(ConfigError::Read {
                    path: path.to_owned(),
                    source,
                });
            }
        };
        let config: Self = toml::from_str(&text).map_err(|error| ConfigError::Syntax {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        config.check()?;
        Ok(config)
    }

    /// Checks what the types cannot.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        let bad = |key: &str, message: &str| {
            Err(ConfigError::Value {
                key: key.to_owned(),
                message: message.to_owned(),
            })
        };
        if !self.listen.address.ip().is_loopback() {
            return bad(
                "listen.address",
                "only loopback addresses are served without TLS; use 127.0.0.1 or [::1]",
            );
        }
        let domain = &self.listen.trust_domain;
        let letters = domain
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b));
        if domain.is_empty() || domain.len() > 255 || !letters {
            return bad(
                "listen.trust_domain",
                "a SPIFFE trust domain has 1 to 255 of `a-z 0-9 - . _`",
            );
        }
        self.hold_wait_ms()?;
        self.hold_window_ms()?;
        for (name, server) in &self.servers {
            if server.command.is_empty() == server.url.is_none() {
                return bad(&format!("servers.{name}"), "give either `command` or `url`");
            }
        }
        Ok(())
    }

    /// `[hold] wait`, in milliseconds.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is not a duration of at most 55 s.
    pub fn hold_wait_ms(&self) -> Result<u64, ConfigError> {
        let ms = duration_ms(&self.hold.wait).map_err(|message| ConfigError::Value {
            key: "hold.wait".to_owned(),
            message,
        })?;
        if ms > limits::HOLD_WAIT_MS_MAX {
            let message = format!(
                "`{}` is over the maximum of 55s: clients give up after a minute",
                self.hold.wait
            );
            return Err(ConfigError::Value {
                key: "hold.wait".to_owned(),
                message,
            });
        }
        Ok(ms)
    }

    /// `[hold] window`, in milliseconds.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is not a duration.
    pub fn hold_window_ms(&self) -> Result<i64, ConfigError> {
        let ms = duration_ms(&self.hold.window).map_err(|message| ConfigError::Value {
            key: "hold.window".to_owned(),
            message,
        })?;
        Ok(i64::try_from(ms).unwrap_or(i64::MAX).min(limits::TASK_TTL_MS_MAX))
    }
}

/// Reads `20s`, `30m`, `1h 30m`, `2 days`.
///
/// # Errors
/// A sentence with what was given.
pub fn duration_ms(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is not a duration: write for example `20s`, `30m`, `1h` or `90 minutes`");
    // jiff counts a day only relative to a date; here a day is 24 hours.
    let duration = match text
        .trim()
        .strip_suffix('d')
        .map(str::trim)
        .map(str::parse::<u32>)
    {
        Some(Ok(days)) => jiff::SignedDuration::from_hours(i64::from(days) * 24),
        _ => text.trim().parse::<jiff::SignedDuration>().map_err(|_| bad())?,
    };
    u64::try_from(duration.as_millis()).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_bounds() {
        assert_eq!(duration_ms("20s"), Ok(20_000));
        assert_eq!(duration_ms("1h 30m"), Ok(5_400_000));
        assert_eq!(duration_ms("2d"), Ok(172_800_000));
        assert!(duration_ms("-5s").is_err());
        assert!(duration_ms("soon").is_err());
        let config: Config = toml::from_str("[hold]\nwait = \"2m\"").unwrap();
        assert!(config.check().unwrap_err().to_string().contains("maximum of 55s"));
    }

    #[test]
    fn unknown_keys_and_open_addresses_are_refused() {
        assert!(toml::from_str::<Config>("[listen]\nadress = \"127.0.0.1:1\"").is_err());
        let config: Config = toml::from_str("[listen]\naddress = \"0.0.0.0:7420\"").unwrap();
        assert!(config.check().unwrap_err().to_string().contains("loopback"));
        let config: Config = toml::from_str("[servers.x]\nallow_private = true").unwrap();
        assert!(config.check().unwrap_err().to_string().contains("command"));
    }
}
