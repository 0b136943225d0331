//! `[oauth]`: the clients known from the start, and what others may bring. Who we are says `[issuer] url`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::attest::Source;
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
    /// Systems whose tokens open tasks, beside the people of `[oidc]`.
    pub subjects: BTreeMap<String, Subject>,
}

/// `[oauth.subjects.NAME]`: a system that names itself by a token of its platform: a pipeline, a scheduler. Whose task it
/// becomes is said here, never by the token.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Subject {
    /// The registered system that opens the task.
    pub initiator: String,
    /// Issuer of its tokens, exactly as in their `iss`.
    pub issuer: Option<String>,
    /// Its SPIFFE trust domain.
    pub trust_domain: Option<String>,
    /// Where the key set, or the SPIFFE bundle, is fetched; an issuer says it itself when absent.
    pub url: Option<String>,
    /// The file that holds it.
    pub file: Option<PathBuf>,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
    /// The audience its tokens must be meant for.
    pub audience: String,
    /// Claims its tokens must have, each exactly so; at least one.
    pub claims: BTreeMap<String, String>,
    /// SPIFFE ID that is taken, with what lies below it in whole segments.
    pub spiffe_id: Option<String>,
}

impl Subject {
    /// Whose word it is.
    #[must_use]
    pub fn source(&self) -> Source {
        Source {
            issuer: self.issuer.clone(),
            trust_domain: self.trust_domain.clone(),
            url: self.url.clone(),
            file: self.file.clone(),
            allow_private: self.allow_private,
            audience: self.audience.clone(),
            claims: self.claims.clone(),
            spiffe_id: self.spiffe_id.clone(),
        }
    }
}

impl Default for Oauth {
    fn default() -> Self {
        Self {
            client_documents: true,
            allow_private: false,
            clients: BTreeMap::new(),
            subjects: BTreeMap::new(),
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
    /// SPIFFE ID it proves by its SVID (JWT, or X.509 on the TLS listener): exactly, or `…/*` for those below it. Of our own
    /// trust domain, or of one of `[attest]`.
    pub spiffe_id: Option<String>,
    /// Secret for `client_secret_basic` and `client_secret_post`: `env:NAME` or `file:PATH`.
    pub secret: Option<String>,
    /// It may ask about any token (RFC 7662): a resource server.
    pub introspects: bool,
}

impl OauthClient {
    /// It can prove who it is.
    #[must_use]
    pub fn is_confidential(&self) -> bool {
        self.jwks.is_some() || self.secret.is_some() || self.spiffe_id.is_some()
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
                    "a client that acts by itself or introspects must prove who it is: give `jwks`, `secret` or `spiffe_id`",
                ));
            }
            if usize::from(client.jwks.is_some())
                + usize::from(client.secret.is_some())
                + usize::from(client.spiffe_id.is_some())
                > 1
            {
                return Err(ConfigError::value(
                    &key,
                    "a client proves itself in one way: give `jwks`, `secret` or `spiffe_id`",
                ));
            }
            if let Some(id) = &client.spiffe_id {
                let root = id.strip_suffix("/*").unwrap_or(id);
                let parsed = root.parse::<remit_identity::SpiffeId>();
                let parsed = parsed.map_err(|bad| ConfigError::value(&key, bad.to_string()))?;
                if parsed.path().is_empty() {
                    return Err(ConfigError::value(
                        &key,
                        "`spiffe_id` has a path: a whole trust domain is no client",
                    ));
                }
            }
            if let Some(reference) = &client.secret {
                super::secret::check(reference).map_err(|why| ConfigError::value(&key, &why))?;
            }
        }
        for (name, subject) in &self.subjects {
            let key = format!("oauth.subjects.{name}");
            subject
                .initiator
                .parse::<remit_core::name::Name>()
                .map_err(|bad| ConfigError::value(&key, bad.to_string()))?;
            name.parse::<remit_core::name::Name>()
                .map_err(|bad| ConfigError::value(&key, bad.to_string()))?;
            subject.source().check(&key)?;
        }
        Ok(())
    }
}
