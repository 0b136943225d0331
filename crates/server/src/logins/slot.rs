//! One login in memory: its tokens, and what is known to be missing.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use remit_core::time::Timestamp;
use remit_credentials::oauth::{BearerChallenge, Client, Scopes};
use remit_upstream::Credential;
use zeroize::Zeroizing;

/// What an authorization server gave.
#[derive(Clone)]
pub struct Held {
    /// Who we are there.
    pub client: Client,
    /// Where it is refreshed.
    pub token_endpoint: String,
    /// The resource it is for, as published.
    pub resource: String,
    /// What was granted.
    pub scopes: Option<Scopes>,
    /// The access token.
    pub access: Zeroizing<String>,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// The refresh token.
    pub refresh: Option<Zeroizing<String>>,
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held")
            .field("client", &self.client)
            .field("resource", &self.resource)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Behind the lock: whoever holds it may ask the authorization server, nobody else does.
#[derive(Debug, Default)]
pub struct State {
    /// The store was read.
    pub loaded: bool,
    /// The tokens.
    pub held: Option<Held>,
    /// What the server wants that a person has to give.
    pub wanted: Option<BearerChallenge>,
    /// When the token in use was got by refreshing: one that is refused directly afterwards is not refreshed again.
    pub refreshed_at: Option<Timestamp>,
}

/// One login.
#[derive(Debug, Default)]
pub struct Slot {
    /// What connections present.
    pub credential: Credential,
    /// Everything else.
    pub state: tokio::sync::Mutex<State>,
    generation: AtomicU64,
    secrets: Mutex<Vec<Zeroizing<String>>>,
}

impl Slot {
    /// Moves whenever other tokens came into use: what was opened before does not know them for scrubbing.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }

    /// The tokens in use.
    #[must_use]
    pub fn secrets(&self) -> Vec<Zeroizing<String>> {
        let secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        secrets.clone()
    }

    /// Puts tokens into use, or takes them out. False: the access token cannot stand in a header.
    pub fn show(&self, held: Option<&Held>) -> bool {
        let mut secrets = self.secrets.lock().unwrap_or_else(PoisonError::into_inner);
        *secrets = held
            .into_iter()
            .flat_map(|held| [Some(held.access.clone()), held.refresh.clone()])
            .flatten()
            .collect();
        self.generation.fetch_add(1, Ordering::SeqCst);
        self.credential.present(held.map(|held| held.access.as_str()))
    }
}
