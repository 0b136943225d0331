//! `[listen]`: where agents reach us.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;

use super::error::ConfigError;

/// `[listen]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Address for agents on this machine; loopback only.
    pub address: SocketAddr,
    /// Further `Host` names that are ours.
    pub hosts: Vec<String>,
    /// SPIFFE trust domain of this installation.
    pub trust_domain: String,
    /// A second listener, with TLS.
    pub tls: Option<ListenTls>,
}

/// `[listen.tls]`: a listener for agents that may come from further away, or prove who they are by a certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenTls {
    /// Its address.
    #[serde(default = "ListenTls::address")]
    pub address: SocketAddr,
    /// Our certificate chain: PEM, leaf first.
    pub certificate: PathBuf,
    /// Its private key: PEM, readable by its owner alone.
    pub key: PathBuf,
    /// How clients call it, as the certificate does: `https://NAME[:PORT]`; made from the address when absent.
    pub url: Option<String>,
}

impl ListenTls {
    fn address() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 7443))
    }

    /// The host, and the port where it is not 443, of `url`.
    #[must_use]
    pub fn authority(&self) -> Option<&str> {
        self.url.as_deref().and_then(|url| url.strip_prefix("https://"))
    }

    fn check(&self) -> Result<(), ConfigError> {
        let bad = |key: &str, what: &str| Err(ConfigError::value(format!("listen.tls.{key}"), what));
        if self.url.is_none() && !self.address.ip().is_loopback() {
            return bad(
                "url",
                "say how clients call this listener, as its certificate does: `https://NAME:PORT`",
            );
        }
        if self.url.is_some() {
            let parsed = self
                .authority()
                .and_then(|text| text.parse::<http::uri::Authority>().ok());
            let plain = parsed.is_some_and(|authority| {
                let text = authority.as_str();
                !text.contains('@') && !text.bytes().any(|b| b.is_ascii_uppercase())
            });
            if !plain {
                return bad(
                    "url",
                    "this is `https://NAME` or `https://NAME:PORT`, in lower case, without a path",
                );
            }
        }
        Ok(())
    }
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            address: SocketAddr::from(([127, 0, 0, 1], 7420)),
            hosts: Vec::new(),
            trust_domain: "remit.local".to_owned(),
            tls: None,
        }
    }
}

impl Listen {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !self.address.ip().is_loopback() {
            return Err(ConfigError::value(
                "listen.address",
                "only loopback addresses are served without TLS; use 127.0.0.1 or [::1], and `[listen.tls]` for others",
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
        self.tls.as_ref().map_or(Ok(()), ListenTls::check)
    }
}
