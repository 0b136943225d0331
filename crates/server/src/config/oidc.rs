//! `[oidc]`: the OpenID provider by which people sign in. Without it they are local people, who sign in by a link.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::ConfigError;

/// `[oidc]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oidc {
    /// The provider, as its ID tokens name it.
    pub issuer: String,
    /// Our client id there; it is given by its administrator, no registration endpoint is needed.
    pub client_id: String,
    /// Our secret there: `env:NAME` or `file:PATH`; a public client with PKCE when absent.
    pub client_secret: Option<String>,
    /// Client ids of applications whose ID tokens may be exchanged here, besides our own (RFC 8693).
    #[serde(default)]
    pub audiences: Vec<String>,
    /// What is asked for.
    #[serde(default = "scopes")]
    pub scopes: Vec<String>,
    /// The claim that becomes a person's name here, whole, in lower case.
    #[serde(default = "name_claim")]
    pub name_claim: String,
    /// The claim that lists a person's groups.
    #[serde(default = "groups_claim")]
    pub groups_claim: String,
    /// Group → roles: `initiator`, `approver`, `auditor`, `administrator` or a group of approvers.
    #[serde(default)]
    pub roles: BTreeMap<String, Vec<String>>,
    /// The provider may be on this machine or in a private network, also without TLS.
    #[serde(default)]
    pub allow_private: bool,
}

fn scopes() -> Vec<String> {
    ["openid", "profile", "email"].map(str::to_owned).to_vec()
}

fn name_claim() -> String {
    "email".to_owned()
}

fn groups_claim() -> String {
    "groups".to_owned()
}

impl Oidc {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !(self.issuer.starts_with("https://") || self.allow_private && self.issuer.starts_with("http://"))
        {
            return Err(ConfigError::value(
                "oidc.issuer",
                "a provider is reached over https; `http` only with `allow_private` on this machine",
            ));
        }
        if !self.scopes.iter().any(|scope| scope == "openid") {
            return Err(ConfigError::value(
                "oidc.scopes",
                "`openid` must be among them, or there is no ID token",
            ));
        }
        if let Some(reference) = &self.client_secret {
            super::secret::check(reference).map_err(|why| ConfigError::value("oidc.client_secret", &why))?;
        }
        for (group, roles) in &self.roles {
            for role in roles {
                role.parse::<remit_core::people::Role>()
                    .map_err(|bad| ConfigError::value(format!("oidc.roles.{group}"), bad.to_string()))?;
            }
            if separated(roles) {
                return Err(ConfigError::value(
                    format!("oidc.roles.{group}"),
                    "one group does not hold `administrator` and `approver`: duties are separate",
                ));
            }
        }
        Ok(())
    }
}

/// Who changes rules and people does not also decide calls under them.
fn separated(roles: &[String]) -> bool {
    let has = |wanted: &str| roles.iter().any(|role| role == wanted);
    has("administrator") && has("approver")
}
