//! `[listen]`: where agents reach us.

use std::net::SocketAddr;

use serde::Deserialize;

use super::error::ConfigError;

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

impl Listen {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !self.address.ip().is_loopback() {
            return Err(ConfigError::value(
                "listen.address",
                "only loopback addresses are served without TLS; use 127.0.0.1 or [::1]",
            ));
        }
        let letters = self
            .trust_domain
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b));
        if self.trust_domain.is_empty() || self.trust_domain.len() > 255 || !letters {
            return Err(ConfigError::value(
                "listen.trust_domain",
                "a SPIFFE trust domain has 1 to 255 of `a-z 0-9 - . _`",
            ));
        }
        Ok(())
    }
}
