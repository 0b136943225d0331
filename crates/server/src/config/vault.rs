//! `[vault]` and `[managers.NAME]`: where the key-encryption key lies, and managers that keep secrets for us.

use serde::Deserialize;

use remit_broker::source::Source;

use super::error::ConfigError;

/// `[vault]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vault {
    /// Where the key-encryption key lies: `"file"` (owner-only, beside the other keys), `"credential:NAME"` (32 bytes in
    /// systemd's credential folder), or `"transit:MANAGER/MOUNT/KEY"` (it never comes here).
    pub key: String,
    /// How long a version may be gone back to after a rotation: `"24h"`.
    pub overlap: String,
}

impl Default for Vault {
    fn default() -> Self {
        Self {
            key: "file".to_owned(),
            overlap: "24h".to_owned(),
        }
    }
}

/// Where the key-encryption key lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPlace {
    /// An owner-only file beside the other keys.
    File,
    /// A file of systemd's credential folder.
    Credential(String),
    /// A key of a transit engine.
    Transit {
        /// `[managers.NAME]`.
        manager: String,
        /// Path of the engine.
        mount: String,
        /// Name of the key.
        key: String,
    },
}

impl Vault {
    /// `key`, read.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is none of the three.
    pub fn place(&self) -> Result<KeyPlace, ConfigError> {
        let bad = || {
            ConfigError::value(
                "vault.key",
                format!(
                    "`{}` is no place of a key: write `file`, `credential:NAME` or `transit:MANAGER/MOUNT/KEY`",
                    self.key
                ),
            )
        };
        match self.key.split_once(':') {
            None if self.key == "file" => Ok(KeyPlace::File),
            Some(("credential", name)) if !name.is_empty() && !name.contains('/') && name != ".." => {
                Ok(KeyPlace::Credential(name.to_owned()))
            }
            Some(("transit", rest)) => match rest.split('/').collect::<Vec<_>>().as_slice() {
                [manager, mount, key] if ![manager, mount, key].iter().any(|part| part.is_empty()) => {
                    Ok(KeyPlace::Transit {
                        manager: (*manager).to_owned(),
                        mount: (*mount).to_owned(),
                        key: (*key).to_owned(),
                    })
                }
                _ => Err(bad()),
            },
            _ => Err(bad()),
        }
    }

    /// `overlap`, in milliseconds.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is no duration.
    pub fn overlap_ms(&self) -> Result<i64, ConfigError> {
        let ms = super::duration_ms(&self.overlap)
            .map_err(|message| ConfigError::value("vault.overlap", message))?;
        Ok(i64::try_from(ms).unwrap_or(i64::MAX))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        self.place()?;
        self.overlap_ms()?;
        Ok(())
    }
}

/// `[managers.NAME]`: a secrets manager that speaks the HTTP API of HashiCorp Vault and OpenBao.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manager {
    /// Address without path: `https://bao.example:8200`.
    pub url: String,
    /// Where our own token there lies: `"file:/…"`, `"env:…"` or `"command:…"`.
    pub token: String,
    /// The address may be on this machine or in a private network.
    #[serde(default)]
    pub allow_private: bool,
}

impl Manager {
    /// `token`, read.
    ///
    /// # Errors
    /// [`ConfigError::Value`] when it is no reference, or leads to a manager again.
    pub fn token(&self, name: &str) -> Result<Source, ConfigError> {
        let key = || format!("managers.{name}.token");
        let source: Source = self
            .token
            .parse()
            .map_err(|error: remit_broker::source::BadSource| ConfigError::value(key(), error.to_string()))?;
        match source {
            Source::Vault | Source::Kv { .. } => Err(ConfigError::value(
                key(),
                "the token of a manager lies in a `file:`, `env:` or `command:`",
            )),
            source => Ok(source),
        }
    }

    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        self.token(name)?;
        remit_upstream::Endpoint::parse(&self.url)
            .map_err(|error| ConfigError::value(format!("managers.{name}.url"), error.to_string()))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(key: &str) -> Result<KeyPlace, ConfigError> {
        Vault {
            key: key.to_owned(),
            ..Vault::default()
        }
        .place()
    }

    #[test]
    fn places_of_the_key() {
        assert_eq!(place("file").unwrap(), KeyPlace::File);
        assert_eq!(
            place("credential:remit-kek").unwrap(),
            KeyPlace::Credential("remit-kek".to_owned())
        );
        assert!(matches!(
            place("transit:bao/transit/remit").unwrap(),
            KeyPlace::Transit { .. }
        ));
        for bad in [
            "",
            "file:/x",
            "credential:",
            "credential:../x",
            "transit:bao",
            "transit:bao//remit",
            "kms:x",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_manager_has_no_token_in_the_file() {
        let manager = |token: &str| Manager {
            url: "https://bao.example:8200".to_owned(),
            token: token.to_owned(),
            allow_private: false,
        };
        assert!(manager("file:/run/secrets/bao").check("bao").is_ok());
        for bad in ["hvs.abc", "kv:bao/secret/x#y", "vault"] {
            assert!(manager(bad).check("bao").is_err(), "{bad}");
        }
    }
}
