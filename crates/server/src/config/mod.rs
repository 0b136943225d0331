//! `remit.toml`: one table per concern, one file per table. Unknown keys are refused with their place.

mod attest;
pub mod credentials;
mod databases;
mod duration;
mod error;
mod hold;
mod issuer;
mod listen;
mod oauth;
mod oidc;
mod policy;
pub mod secret;
mod server_oauth;
mod servers;
mod store;
mod systems;
mod vault;

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

pub use attest::{Attest, Source};
pub use credentials::Credential;
pub use databases::Database;
pub use duration::duration_ms;
pub use error::ConfigError;
pub use hold::Hold;
pub use issuer::{Issuer, IssuerLives};
pub use listen::{Listen, ListenTls};
pub use oauth::{Oauth, OauthClient, Subject};
pub use oidc::Oidc;
pub use policy::{OBSERVE_DEFAULT, Policy};
pub use server_oauth::{UpstreamGrant, UpstreamOauth};
pub use servers::Server;
pub use store::Store;
pub use systems::{Egress, System};
pub use vault::{KeyPlace, Manager, Vault};

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
    /// What is known of systems, and those reached over HTTP from the start.
    pub systems: BTreeMap<String, System>,
    /// The way out.
    pub egress: Egress,
    /// Policy of this installation.
    pub policy: Policy,
    /// How calls wait for people.
    pub hold: Hold,
    /// Clients that come for tasks.
    pub oauth: Oauth,
    /// The provider by which people sign in.
    pub oidc: Option<Oidc>,
    /// Whose word is taken for what a run is.
    pub attest: BTreeMap<String, Attest>,
    /// Lives of keys, certificates and tokens for other audiences.
    pub issuer: Issuer,
    /// Where the key-encryption key lies, and how long old versions of secrets stay.
    pub vault: Vault,
    /// Managers that keep secrets for us.
    pub managers: BTreeMap<String, Manager>,
    /// Databases that agents query.
    pub databases: BTreeMap<String, Database>,
    /// What opens systems and is made for each task.
    pub credentials: BTreeMap<String, Credential>,
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

    /// Checks what the types cannot: each table checks itself.
    ///
    /// # Errors
    /// [`ConfigError::Value`] naming the key.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.listen.check()?;
        self.hold.check()?;
        self.oauth.check()?;
        if let Some(oidc) = &self.oidc {
            oidc.check()?;
        }
        self.issuer.check()?;
        for (name, attest) in &self.attest {
            attest.check(name)?;
        }
        self.vault.check()?;
        for (name, manager) in &self.managers {
            manager.check(name)?;
        }
        for (name, database) in &self.databases {
            database.check(name)?;
        }
        let mut signed_in = std::collections::BTreeSet::new();
        for (name, credential) in &self.credentials {
            credential.check(name, &self.managers)?;
            if matches!(credential, Credential::Oauth(_)) && !signed_in.insert(credential.system()) {
                return Err(ConfigError::value(
                    format!("credentials.{name}"),
                    "people sign in to a system once: it has one credential with `oauth`",
                ));
            }
        }
        for (name, server) in &self.servers {
            server.check(name)?;
        }
        for (name, system) in &self.systems {
            system.check(name)?;
        }
        self.policy.observed()?;
        Ok(())
    }
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
    fn working_folders_environments_and_observed_classes_are_checked() {
        let problem = |text: &str| {
            let config: Config = toml::from_str(text).unwrap();
            config
                .check()
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default()
        };
        assert_eq!(problem("[servers.x]\ncommand = [\"x\"]\ncwd = \"/srv\""), "");
        assert!(problem("[servers.x]\ncommand = [\"x\"]\ncwd = \"srv\"").contains("absolute"));
        assert!(problem("[servers.x]\nurl = \"http://x\"\ncwd = \"/srv\"").contains("command"));
        assert_eq!(problem("[systems.db]\nenvironment = \"production\""), "");
        assert!(problem("[systems.db]\nenvironment = \"Pro Duction\"").contains("Pro Duction"));
        assert!(problem("[systems.\"a b\"]\nenvironment = \"staging\"").contains("a b"));
        assert_eq!(
            problem("[policy]\nobserve = { read = \"7d\", write = \"12h\" }"),
            ""
        );
        for (text, says) in [
            ("privilege = \"1d\"", "guardrail"),
            ("look = \"1d\"", "look"),
            ("read = \"31d\"", "30d"),
            ("read = \"0s\"", "bounds"),
            ("read = \"soon\"", "duration"),
        ] {
            let said = problem(&format!("[policy]\nobserve = {{ {text} }}"));
            assert!(said.contains(says) && said.contains("policy.observe."), "{said}");
        }
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
