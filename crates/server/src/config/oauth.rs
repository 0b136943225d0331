//! `[oauth]`: the clients known from the start, and what others may bring. Who we are says `[issuer] url`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::ConfigError;

/// `[oauth]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Oauth {
    /// Clients may name themselves by the address of their metadata document (CIMD).
    pub client_documents: bool,
    /// Those documents may lie on this machine or in a private network, also without TLS.
    pub allow_private: bool,
    /// Clients known from the start, by `client_id`.
    pub clients: BTreeMap<String, OauthClient>,
}

impl Default for Oauth {
    fn default() -> Self {
        Self {
            client_documents: true,
            allow_private: false,
            clients: BTreeMap::new(),
        }
    }
}

/// `[oauth.clients."ID"]`: a `client_id`, which may be the address of a metadata document.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OauthClient {
    /// What people are shown; the id when absent.
    pub name: Option<String>,
    /// Where answers may go, whole; on loopback the port may differ (RFC 8252, 7.3).
    pub redirect_uris: Vec<String>,
    /// The agent its tasks run as; made from the id when absent.
    pub agent: Option<String>,
    /// The template proposed, and the one for tasks it opens by itself.
    pub template: Option<String>,
    /// Parameters of that template.
    pub set: BTreeMap<String, String>,
    /// The human or system for whom it opens tasks by itself (client credentials); none when absent.
    pub initiator: Option<String>,
    /// File of the key set its assertions are checked with (`private_key_jwt`).
    pub jwks: Option<std::path::PathBuf>,
    /// Secret for `client_secret_basic` and `client_secret_post`: `env:NAME` or `file:PATH`.
    pub secret: Option<String>,
    /// It may ask about any token (RFC 7662): a resource server.
    pub introspects: bool,
}

impl OauthClient {
    /// It can prove who it is.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.jwks.is_some() || self.secret.is_some()
    }
}

impl Oauth {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (id, client) in &self.clients {
            let key = format!("oauth.clients.{id}");
            if id.is_empty() || id.len() > 2048 || id.chars().any(|c| !c.is_ascii_graphic()) {
                return Err(ConfigError::value(
                    &key,
                    "a client id has 1 to 2048 visible ASCII characters",
                ));
            }
            for uri in &client.redirect_uris {
                crate::oauth::redirect::acceptable(uri)
                    .map_err(|why| ConfigError::value(format!("{key}.redirect_uris"), &why))?;
            }
            for name in client
                .agent
                .iter()
                .chain(&client.template)
                .chain(&client.initiator)
            {
                name.parse::<remit_core::name::Name>()
                    .map_err(|bad| ConfigError::value(&key, bad.to_string()))?;
            }
            if (client.initiator.is_some() || client.introspects) && !client.is_confidential() {
                return Err(ConfigError::value(
                    &key,
                    "a client that acts by itself or introspects must prove who it is: give `jwks` or `secret`",
                ));
            }
            if let Some(reference) = &client.secret {
                super::secret::check(reference).map_err(|why| ConfigError::value(&key, &why))?;
            }
        }
        Ok(())
    }
}
