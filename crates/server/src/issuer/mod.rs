//! The issuer: keys that others check, identity documents of runs, tokens for other audiences. Every one that leaves was
//! decided and recorded before it was made.

pub mod bundle;
mod decide;
mod for_lease;
pub mod jwt_svid;
mod keys;
pub mod rotate;
pub mod token;
pub mod workload;
pub mod x509_svid;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use remit_core::entropy::Entropy;
use remit_core::time::Timestamp;
use remit_identity::x509::Ca;
use remit_identity::{Generation, KeySet, PublicKey, Ring, SigningKey, TrustDomain, Use};
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;

use crate::config::{Config, IssuerLives};
use crate::keys::KeyError;

pub use decide::Issued;
pub(crate) use for_lease::for_lease;

/// The keys of this installation that others check signatures with, and what rotates them.
#[derive(Debug)]
pub struct Issuer {
    /// The trust domain.
    pub domain: TrustDomain,
    /// Lives, as configured.
    pub lives: IssuerLives,
    folder: PathBuf,
    tokens: RwLock<Ring<Arc<SigningKey>>>,
    cas: RwLock<Ring<Arc<Ca>>>,
    /// Grows whenever what is published changes; streams wait for it.
    changed: watch::Sender<u64>,
}

impl Issuer {
    /// Reads the keys under `folder`, making the first ones.
    ///
    /// # Errors
    /// [`KeyError`] when a key cannot be read or made, or the configuration does not fit.
    pub fn open(
        config: &Config,
        folder: PathBuf,
        now: Timestamp,
        entropy: &dyn Entropy,
    ) -> Result<Self, KeyError> {
        let unusable = |what: String| KeyError::Unusable(what);
        let lives = config
            .issuer
            .lives()
            .map_err(|error| unusable(error.to_string()))?;
        let domain: TrustDomain = config
            .listen
            .trust_domain
            .parse()
            .map_err(|error: remit_identity::BadSpiffeId| unusable(error.to_string()))?;
        let mut tokens = keys::tokens(&folder)?;
        if tokens.is_empty() {
            tokens.push(keys::make_token(&folder, now, entropy)?);
        }
        let mut cas = keys::cas(&folder, &domain, lives.ca_ms)?;
        // A CA that is over, or would be before its leaves, is none.
        cas.retain(|generation| generation.key.expires_at() > now.plus_ms(lives.svid_ms));
        if cas.is_empty() {
            cas.push(keys::make_ca(&folder, &domain, lives.ca_ms, now, entropy)?);
        }
        Ok(Self {
            domain,
            lives,
            folder,
            tokens: RwLock::new(Ring::new(lives.keys, tokens)),
            cas: RwLock::new(Ring::new(lives.cas, cas)),
            changed: watch::channel(0).0,
        })
    }

    /// The key that signs tokens now.
    #[must_use]
    pub fn token_key(&self, now: Timestamp) -> Option<Arc<SigningKey>> {
        let ring = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        ring.current(now).map(|generation| Arc::clone(&generation.key))
    }

    /// The CA that issues now.
    #[must_use]
    pub fn ca(&self, now: Timestamp) -> Option<Arc<Ca>> {
        let ring = self.cas.read().unwrap_or_else(PoisonError::into_inner);
        ring.current(now).map(|generation| Arc::clone(&generation.key))
    }

    /// The keys by which our tokens and JWT-SVIDs are checked now: `use: sig`.
    #[must_use]
    pub fn jwks(&self, now: Timestamp) -> KeySet {
        KeySet::new(self.public(now, Use::Signature))
    }

    /// The same keys as the SPIFFE bundle has them: `use: jwt-svid`.
    #[must_use]
    pub fn jwt_authorities(&self, now: Timestamp) -> Vec<PublicKey> {
        self.public(now, Use::JwtSvid)
    }

    fn public(&self, now: Timestamp, usage: Use) -> Vec<PublicKey> {
        let ring = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        ring.published(now)
            .map(|generation| generation.key.public().clone().named(generation.key.kid(), usage))
            .collect()
    }

    /// The CA certificates by which our X.509-SVIDs are checked now.
    #[must_use]
    pub fn authorities(&self, now: Timestamp) -> Vec<(PublicKey, CertificateDer<'static>)> {
        let ring = self.cas.read().unwrap_or_else(PoisonError::into_inner);
        ring.published(now)
            .map(|generation| {
                (
                    generation.key.public().clone(),
                    generation.key.certificate().clone(),
                )
            })
            .collect()
    }

    /// When the newest key or CA was made, in seconds: `spiffe_sequence`. It grows with every change of what is added.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        let newest = |made: Option<Timestamp>| made.map_or(0, |at| u64::try_from(at.0 / 1000).unwrap_or(0));
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        let cas = self.cas.read().unwrap_or_else(PoisonError::into_inner);
        newest(tokens.generations().last().map(|generation| generation.made_at)).max(newest(
            cas.generations().last().map(|generation| generation.made_at),
        ))
    }

    /// Follows what is published.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn push_token(&self, generation: Generation<Arc<SigningKey>>) {
        self.tokens
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(generation);
        self.changed.send_modify(|count| *count += 1);
    }

    fn push_ca(&self, generation: Generation<Arc<Ca>>) {
        self.cas
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(generation);
        self.changed.send_modify(|count| *count += 1);
    }
}

/// The SPIFFE ID of a live run.
///
/// # Errors
/// [`crate::app::Failure::Conflict`] when its agent's name cannot be part of one.
pub(crate) fn identity(
    app: &crate::app::App,
    live: &crate::engine::live::Live,
) -> Result<remit_identity::SpiffeId, crate::app::Failure> {
    let run = live.run();
    remit_identity::SpiffeId::of_run(&app.issuer.domain, &run.agent, run.id)
        .map_err(|error| crate::app::Failure::Conflict(error.to_string()))
}

/// `iss` of our tokens: as configured, else where agents reach us.
#[must_use]
pub fn issuer_url(app: &crate::app::App) -> String {
    app.config
        .issuer
        .url
        .clone()
        .unwrap_or_else(|| app.base_url.borrow().clone())
}

pub(crate) fn no_key() -> crate::app::Failure {
    crate::app::Failure::Unavailable("there is no key to sign with".to_owned())
}
