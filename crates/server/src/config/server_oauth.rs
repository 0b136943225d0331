//! `[servers.NAME.oauth]`: who we are to the authorization server of an upstream MCP server.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::ConfigError;

/// How tokens are got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamGrant {
    /// A person signs in with `remit mcp login`; tokens are theirs.
    #[default]
    AuthorizationCode,
    /// The client itself; no person is behind it and every task shares it.
    ClientCredentials,
}

/// `[servers.NAME.oauth]`
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamOauth {
    /// The only issuer the credentials below may ever be shown to; needed with a secret or key.
    pub issuer: Option<String>,
    /// `client_id` of a client registered by hand.
    pub client_id: Option<String>,
    /// Its secret, in a file only its owner can read.
    pub client_secret_file: Option<PathBuf>,
    /// Its ES256 private key (PKCS #8, PEM), in a file only its owner can read: `private_key_jwt`.
    pub private_key_file: Option<PathBuf>,
    /// `https` address of a client id metadata document that describes this installation.
    pub client_metadata_url: Option<String>,
    /// We may register ourselves (RFC 7591).
    pub register: bool,
    /// Scopes to ask for, separated by spaces; what the server names when absent.
    pub scopes: Option<String>,
    /// The provider supports PKCE with S256 without saying so in its metadata.
    pub assume_s256: bool,
    /// How tokens are got.
    pub grant: UpstreamGrant,
}

impl UpstreamOauth {
    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let bad = |key: &str, message: &str| {
            Err(ConfigError::value(format!("servers.{name}.oauth.{key}"), message))
        };
        let secret = self.client_secret_file.is_some() || self.private_key_file.is_some();
        if secret && (self.client_id.is_none() || self.issuer.is_none()) {
            return bad(
                "issuer",
                "a secret or key needs `client_id` and the `issuer` it may be shown to",
            );
        }
        if self.client_secret_file.is_some() && self.private_key_file.is_some() {
            return bad("client_secret_file", "give either a secret or a private key");
        }
        let document = self.client_metadata_url.as_deref();
        if document.is_some_and(|url| !url.starts_with("https://")) {
            return bad(
                "client_metadata_url",
                "a client id metadata document has an `https` address",
            );
        }
        let scopes = self.scopes.as_deref();
        if scopes.is_some_and(|text| remit_credentials::oauth::Scopes::parse(text).is_none()) {
            return bad("scopes", "scopes are separated by spaces and hold no quotes");
        }
        if self.grant == UpstreamGrant::ClientCredentials && !secret {
            return bad("grant", "`client_credentials` needs a secret or a private key");
        }
        Ok(())
    }
}
