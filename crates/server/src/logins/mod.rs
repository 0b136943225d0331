//! Logins: what people let us do at upstream MCP servers and systems that want OAuth. We are the client; agents never see a token of
//! theirs, and no token of an agent goes there (docs/adr/0010-credentials-at-the-edge.md).

pub mod answer;
pub mod begin;
pub mod callback;
mod client;
mod discover;
mod request;
mod resume;
mod revoke;
mod sealed;
pub mod slot;
pub mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::name::Name;
use remit_store::servers::{Server, Transport};
use zeroize::Zeroizing;

use crate::app::App;
use crate::config::credentials::Oauth;
use crate::config::{Credential, UpstreamGrant, UpstreamOauth};
use begin::Question;
use slot::Slot;

/// Whose a login is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The upstream server, or the system.
    pub server: Name,
    /// The person, or [`client_itself`].
    pub owner: Name,
}

/// The logins of this process: tokens in use, and questions that wait for their answer.
#[derive(Debug, Default)]
pub struct Logins {
    slots: Mutex<HashMap<Whose, Arc<Slot>>>,
    questions: Mutex<HashMap<String, Arc<Question>>>,
}

impl Logins {
    /// The place of one login's tokens.
    #[must_use]
    pub fn slot(&self, whose: &Whose) -> Arc<Slot> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(whose.clone()).or_default())
    }

    /// Every token in use, for scrubbing.
    #[must_use]
    pub fn in_use(&self) -> Vec<Zeroizing<String>> {
        let slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        slots.values().flat_map(|slot| slot.secrets()).collect()
    }
}

/// The owner of tokens that belong to no person.
#[must_use]
pub fn client_itself() -> Option<Name> {
    "remit".parse().ok()
}

/// The configuration for one server.
#[must_use]
pub fn configured(app: &App, server: &Name) -> UpstreamOauth {
    let configured = app.config.servers.get(server.as_str());
    configured
        .and_then(|server| server.oauth.clone())
        .or_else(|| at_system(app, server).map(Oauth::at_server))
        .unwrap_or_default()
}

/// How people sign in to a system.
fn at_system<'a>(app: &'a App, system: &Name) -> Option<&'a Oauth> {
    app.config.credentials.values().find_map(|of| match of {
        Credential::Oauth(of) if of.system == system.as_str() => Some(of),
        _ => None,
    })
}

/// What is signed in to: the address of a server, or what tokens for a system are asked for (RFC 8707), which may be
/// nothing. `None` where nobody signs in.
#[must_use]
pub fn address<'a>(app: &'a App, server: &'a Server) -> Option<&'a str> {
    match &server.transport {
        Transport::Url(url) => Some(url),
        Transport::System(_) => {
            at_system(app, &server.name).map(|of| of.resource.as_deref().unwrap_or_default())
        }
        _ => None,
    }
}

/// Whose login a connection for `person` to `server` uses; `None` where nothing is ever presented.
#[must_use]
pub fn whose(app: &App, server: &Server, person: &Name) -> Option<Whose> {
    address(app, server)?;
    let owner = match configured(app, &server.name).grant {
        UpstreamGrant::AuthorizationCode => person.clone(),
        UpstreamGrant::ClientCredentials => client_itself()?,
    };
    Some(Whose {
        server: server.name.clone(),
        owner,
    })
}
