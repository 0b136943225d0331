//! Clients: who asks for a task in a person's name. Known from the configuration, or by their metadata document.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::digest::Digest;
use remit_core::name::Name;
use remit_identity::KeySet;

use super::error::{Code, OauthError};
use super::{documents, redirect};
use crate::app::App;
use crate::config::OauthClient;

/// How a client proves who it is at the token endpoint.
#[derive(Clone, Debug)]
pub(crate) enum Proves {
    /// Not at all: a public client, held by PKCE alone (RFC 6749, 2.1).
    Nothing,
    /// `private_key_jwt` with one of these keys.
    Keys(Box<KeySet>),
    /// `private_key_jwt` with the keys at this address.
    KeysAt(String),
    /// An SVID of this identity: `spiffe_jwt` or `spiffe_x509`.
    Svid(String),
    /// `client_secret_basic` or `client_secret_post`; a reference, never the secret.
    Secret(String),
}

/// A client.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    pub id: String,
    /// What people are shown: said by the configuration, or by the client itself.
    pub name: String,
    /// The host whose metadata document speaks for it.
    pub host: Option<String>,
    pub redirect_uris: Vec<String>,
    /// The agent its tasks run as.
    pub agent: Name,
    pub template: Option<Name>,
    pub set: BTreeMap<String, String>,
    pub initiator: Option<Name>,
    pub introspects: bool,
    pub proves: Proves,
}

/// The client of an id.
///
/// # Errors
/// `invalid_client` when there is none, or its document is not what it must be.
pub(crate) async fn find(app: &Arc<App>, id: &str) -> Result<Client, OauthError> {
    let configured = app.config.oauth.clients.get(id);
    let is_document = id.starts_with("https://") || id.starts_with("http://");
    if is_document
        && configured.is_none_or(|client| client.redirect_uris.is_empty() && !client.is_confidential())
    {
        let mut client = documents::client(app, id).await?;
        if let Some(known) = configured {
            client.agent = agent_of(id, known)?;
            client.template = parsed(known.template.as_ref())?;
            client.set.clone_from(&known.set);
        }
        return Ok(client);
    }
    let Some(known) = configured else {
        return Err(OauthError::client(
            "this client is not known here: register it under `[oauth.clients]`, or use the https address of its metadata document as `client_id`",
        ));
    };
    Ok(Client {
        id: id.to_owned(),
        name: known.name.clone().unwrap_or_else(|| id.to_owned()),
        host: None,
        redirect_uris: known.redirect_uris.clone(),
        agent: agent_of(id, known)?,
        template: parsed(known.template.as_ref())?,
        set: known.set.clone(),
        initiator: parsed(known.initiator.as_ref())?,
        introspects: known.introspects,
        proves: proves(id, known)?,
    })
}

fn proves(id: &str, known: &OauthClient) -> Result<Proves, OauthError> {
    if let Some(path) = &known.jwks {
        let unusable = |why: String| {
            OauthError::new(
                Code::ServerError,
                format!("the key set of `{id}` cannot be used: {why}"),
            )
        };
        let bytes = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let keys = KeySet::parse(&bytes).map_err(|bad| unusable(bad.to_string()))?;
        return Ok(Proves::Keys(Box::new(keys)));
    }
    Ok(match (&known.spiffe_id, &known.secret) {
        (Some(spiffe_id), _) => Proves::Svid(spiffe_id.clone()),
        (None, Some(reference)) => Proves::Secret(reference.clone()),
        (None, None) => Proves::Nothing,
    })
}

fn parsed(name: Option<&String>) -> Result<Option<Name>, OauthError> {
    name.map(|text| text.parse::<Name>())
        .transpose()
        .map_err(|bad| OauthError::new(Code::ServerError, bad.to_string()))
}

fn agent_of(id: &str, known: &OauthClient) -> Result<Name, OauthError> {
    match parsed(known.agent.as_ref())? {
        Some(agent) => Ok(agent),
        None => agent_named(id),
    }
}

/// The agent of a client nobody named one for: its id, or its host with a digest of the id, so that two clients are never
/// one agent.
pub(crate) fn agent_named(id: &str) -> Result<Name, OauthError> {
    const HOST_MAX: usize = 27;
    if let Ok(name) = id.parse() {
        return Ok(name);
    }
    let rest = id.split_once("://").map_or(id, |(_, rest)| rest);
    let mut host: String = rest
        .split(['/', '?', ':'])
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        })
        .collect();
    if let Some(cut) = host.len().checked_sub(HOST_MAX) {
        host = host.split_off(cut);
    }
    let host = host.trim_start_matches(['.', '-']);
    let digest: String = Digest::of(id.as_bytes())
        .as_bytes()
        .iter()
        .take(6)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{}-{digest}", if host.is_empty() { "client" } else { host })
        .parse()
        .map_err(|bad: remit_core::name::BadName| OauthError::client(bad.to_string()))
}

impl Client {
    /// Refuses an address that was not registered.
    ///
    /// # Errors
    /// `invalid_request`: shown to the person, never sent to that address.
    pub fn expect_redirect(&self, uri: &str) -> Result<(), OauthError> {
        if redirect::is_one_of(uri, &self.redirect_uris) {
            return Ok(());
        }
        let shown: String = uri.chars().take(200).flat_map(char::escape_debug).collect();
        Err(OauthError::request(format!(
            "`{shown}` is not one of the redirect addresses of this client"
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_clients_are_two_agents() {
        let one = agent_named("https://vscode.dev/client.json").unwrap();
        let other = agent_named("https://vscode.dev/other.json").unwrap();
        assert!(one.as_str().starts_with("vscode.dev-"), "{one}");
        assert_ne!(one, other);
        assert_eq!(agent_named("claude").unwrap().as_str(), "claude");
        let long = format!("https://{}.example/x", "a".repeat(60));
        assert!(agent_named(&long).unwrap().as_str().len() <= 40);
        assert!(agent_named("https://[::1]:80/x").is_ok());
    }
}
