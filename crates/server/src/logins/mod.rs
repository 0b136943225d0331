//! Logins: what people let us do at upstream MCP servers that want OAuth. We are the client; agents never see a token of
//! theirs, and no token of an agent goes there (docs/adr/0010-credentials-at-the-edge.md).

pub mod answer;
pub mod begin;
pub mod callback;
mod client;
mod discover;
mod request;
mod resume;
mod sealed;
pub mod slot;
pub mod tokens;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::name::Name;
use remit_store::servers::{Server, Transport};

use crate::app::App;
use crate::config::{UpstreamGrant, UpstreamOauth};
use begin::Question;
use slot::Slot;

/// Whose a login is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Whose {
    /// The upstream server.
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
    pub fn in_use(&self) -> Vec<String> {
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
        .unwrap_or_default()
}

/// Whose login a connection for `person` to `server` uses; `None` where nothing is ever presented.
#[must_use]
pub fn whose(app: &App, server: &Server, person: &Name) -> Option<Whose> {
    if !matches!(server.transport, Transport::Url(_)) {
        return None;
    }
    let owner = match configured(app, &server.name).grant {
        UpstreamGrant::AuthorizationCode => person.clone(),
        UpstreamGrant::ClientCredentials => client_itself()?,
    };
    Some(Whose {
        server: server.name.clone(),
        owner,
    })
}
