//! `[attest.NAME]`: whose word is taken for what a run is, and which agent that makes it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::error::ConfigError;

/// `[attest.NAME]`: an OpenID provider (`issuer`) or a SPIFFE trust domain (`trust_domain`).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Attest {
    /// Issuer of OIDC tokens, exactly as in their `iss`.
    pub issuer: Option<String>,
    /// SPIFFE trust domain whose SVIDs are taken.
    pub trust_domain: Option<String>,
    /// Where the key set, or the SPIFFE bundle, is fetched; an issuer says it itself when absent (OpenID Connect Discovery).
    pub url: Option<String>,
    /// The file that holds it.
    pub file: Option<PathBuf>,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
    /// The audience tokens must be meant for.
    pub audience: String,
    /// Claims an OIDC token must have, each exactly so; at least one.
    pub claims: BTreeMap<String, String>,
    /// SPIFFE ID that is taken, with what lies below it in whole segments.
    pub spiffe_id: Option<String>,
    /// The agent.
    pub agent: String,
    /// The same identity may have several live runs: jobs of one workflow, replicas of one service.
    pub shared: bool,
}

impl Attest {
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

    pub(super) fn check(&self, name: &str) -> Result<(), ConfigError> {
        let key = format!("attest.{name}");
        if self.agent.is_empty() {
            return Err(ConfigError::value(&key, "`agent` is needed: whose run is it?"));
        }
        self.source().check(&key)
    }
}

/// Whose tokens or SVIDs are taken, where their keys are, and what they must say.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Issuer of OIDC tokens, exactly as in their `iss`.
    pub issuer: Option<String>,
    /// SPIFFE trust domain whose SVIDs are taken.
    pub trust_domain: Option<String>,
    /// Where the key set, or the SPIFFE bundle, is fetched.
    pub url: Option<String>,
    /// The file that holds it.
    pub file: Option<PathBuf>,
    /// The address may be on this machine or in a private network.
    pub allow_private: bool,
    /// The audience tokens must be meant for.
    pub audience: String,
    /// Claims an OIDC token must have, each exactly so.
    pub claims: BTreeMap<String, String>,
    /// SPIFFE ID that is taken, with what lies below it in whole segments.
    pub spiffe_id: Option<String>,
}

impl Source {
    pub(super) fn check(&self, key: &str) -> Result<(), ConfigError> {
        let bad = |what: &str| Err(ConfigError::value(key, what));
        if self.issuer.is_some() == self.trust_domain.is_some() {
            return bad("give either `issuer` (OIDC) or `trust_domain` (SPIFFE)");
        }
        if self.url.is_some() && self.file.is_some() {
            return bad("give either `url` or `file` for the keys");
        }
        if self.trust_domain.is_some() && self.url.is_none() && self.file.is_none() {
            return bad("give `url` or `file` for the bundle: a trust domain does not say where it is");
        }
        if self.audience.is_empty() {
            return bad("`audience` is needed: a token for anybody proves nothing here");
        }
        if self.issuer.is_some() && self.claims.is_empty() {
            return bad(
                "name the `claims` a token must have: every token of the issuer would count otherwise",
            );
        }
        if let Some(domain) = &self.trust_domain {
            let domain: remit_identity::TrustDomain = domain
                .parse()
                .map_err(|error: remit_identity::BadSpiffeId| ConfigError::value(key, error.to_string()))?;
            let root = self.spiffe_id.as_deref().unwrap_or_default();
            let root: remit_identity::SpiffeId = root
                .parse()
                .map_err(|error: remit_identity::BadSpiffeId| ConfigError::value(key, error.to_string()))?;
            if *root.trust_domain() != domain || root.path().is_empty() {
                return bad("`spiffe_id` is one of `trust_domain`, with a path");
            }
        }
        Ok(())
    }
}
