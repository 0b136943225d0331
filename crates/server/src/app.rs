//! The app: what every use case works with, wired once.

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwap;
use remit_core::entropy::Entropy;
use remit_core::id::TaskId;
use remit_core::name::Name;
use remit_core::time::Clock;
use remit_enforce::{LifelineHolder, Mint};
use remit_store::{AppendError, Epochs, Refused, Store, StoreError};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::engine::carried::KnownSecrets;
use crate::engine::flights::Flights;
use crate::engine::links::Links;
use crate::engine::live::LiveTasks;
use crate::engine::rooms::Rooms;
use crate::engine::subscribe::Subscriptions;
use crate::engine::uses::Familiarity;
use crate::engine::world::{Environments, World};
use crate::keys::Keys;
use crate::logins::Logins;
use crate::paths::Paths;
use crate::seal::{SealError, Sealer};
use crate::tasks::pulse::Pulses;

/// Everything that is wired once and shared by all use cases.
pub struct App {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Configuration.
    pub config: Config,
    /// Folders.
    pub paths: Paths,
    /// Keys.
    pub keys: Keys,
    /// The store.
    pub store: Store,
    /// What decisions read.
    pub world: ArcSwap<World>,
    /// Each that came after, oldest first, until what tasks hold was judged by it.
    pub worlds: Mutex<Vec<Arc<World>>>,
    /// Rung when one came.
    pub world_changed: tokio::sync::Notify,
    /// Tasks in memory.
    pub live: LiveTasks,
    /// When runs were last heard of.
    pub pulses: Pulses,
    /// Calls under way.
    pub flights: Flights,
    /// What agents have used before.
    pub familiarity: Familiarity,
    /// Who waits for which approval.
    pub rooms: Rooms,
    /// Keys that others check, and what they sign.
    pub issuer: crate::issuer::Issuer,
    /// Keys of attestors.
    pub attestors: crate::attest::Documents,
    /// Findings recorded lately.
    pub findings: crate::findings::Throttle,
    /// Proofs and assertions that were used.
    pub replays: crate::proofs::Replays,
    /// Nonces for proofs.
    pub nonces: remit_identity::dpop::Nonces,
    /// Connections to servers.
    pub links: Links,
    /// The search for secrets that no call may carry.
    pub known_secrets: KnownSecrets,
    /// What people let us do at servers that want OAuth.
    pub logins: Logins,
    /// What the dialler needs, made at first use.
    pub dialler: OnceLock<remit_upstream::Environment>,
    /// What the OAuth endpoints keep in memory.
    pub oauth: crate::oauth::Oauth,
    /// The provider by which people sign in.
    pub provider: crate::humans::provider::Provider,
    /// The way out for everything that is not MCP.
    pub egress: crate::egress::Egress,
    /// Subscriptions to resources.
    pub subscriptions: Subscriptions,
    /// Secrets and leases in memory.
    pub broker: crate::broker::Broker,
    /// Work that outlives the request it came with.
    pub background: Background,
    /// Checkpoints are signed one after the other.
    pub signing: tokio::sync::Mutex<()>,
    /// The newest signed checkpoint.
    pub head: watch::Sender<Option<Arc<str>>>,
    /// Makes permits; nobody else does.
    pub(crate) mint: Mint,
    /// Goes when the process stops.
    pub(crate) life: LifelineHolder,
    /// The person at this machine: who acts when nobody is named.
    pub me: Name,
    /// The `remit` binary that launches stdio servers.
    pub launcher: PathBuf,
    /// Whether the network of the servers we start can be taken away here; else why not, in a sentence.
    pub contains: Result<(), String>,
    /// Where programs of stdio servers are looked for (`PATH`).
    pub search_path: OsString,
    /// Where agents reach us, once we listen: `http://127.0.0.1:7420`.
    pub base_url: watch::Sender<String>,
    /// Where agents reach us over TLS, once we listen there: `https://gw.example:7443`.
    pub tls_url: watch::Sender<Option<String>>,
    /// The certificate of `[listen.tls]`.
    pub certificate: Option<Arc<crate::certificate::Certificate>>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App")
            .field("paths", &self.paths)
            .field("me", &self.me)
            .finish_non_exhaustive()
    }
}

/// Why a use case did not happen. Nothing of it happened then.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked cannot be read or is not allowed to look like this: the asker's fault.
    #[error("{0}")]
    Invalid(String),
    /// There is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// The person may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// It clashes with how things stand.
    #[error("{0}")]
    Conflict(String),
    /// A person has to sign in to an upstream server first.
    #[error("{0}")]
    NeedsReauth(String),
    /// Remit itself cannot do it now.
    #[error("{0}")]
    Unavailable(String),
}

impl Failure {
    /// A short machine code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NotFound(_) => "not_found",
            Self::Forbidden(_) => "forbidden",
            Self::Conflict(_) => "conflict",
            Self::NeedsReauth(_) => "needs_reauth",
            Self::Unavailable(_) => "unavailable",
        }
    }

    /// The asker's fault: `sentence` says what is wrong and what to do.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an error is mapped into it by name: `map_err(Failure::invalid)`"
    )]
    pub fn invalid(sentence: impl ToString) -> Self {
        Self::Invalid(sentence.to_string())
    }

    /// Remit's own trouble.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "an error is mapped into it by name: `map_err(Failure::unavailable)`"
    )]
    pub fn unavailable(sentence: impl ToString) -> Self {
        Self::Unavailable(sentence.to_string())
    }
}

impl From<AppendError> for Failure {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Refused(Refused::NotFound { .. }) => Self::NotFound(error.to_string()),
            AppendError::Refused(_) => Self::Conflict(error.to_string()),
            AppendError::Record(_) => Self::Invalid(error.to_string()),
            AppendError::Store(_) | AppendError::Full | AppendError::Unavailable(_) => {
                Self::Unavailable(error.to_string())
            }
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<remit_core::entropy::NoEntropy> for Failure {
    fn from(error: remit_core::entropy::NoEntropy) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<SealError> for Failure {
    fn from(error: SealError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl App {
    /// The world as it is now.
    #[must_use]
    pub fn world(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Reads the world again after a change; live tasks follow when they are used next.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when it cannot be read: the old one stays, and its decisions are refused by their appends.
    pub async fn reload(&self) -> Result<Arc<World>, Failure> {
        let now = self.clock.now();
        let (environments, contains) = (Environments::of(&self.config), self.contains.is_ok());
        let loaded = self
            .store
            .read(move |conn| crate::engine::world::load(conn, now, environments, contains))
            .await;
        self.loaded(loaded)
    }

    /// As [`Self::reload`], over the connection nothing else waits for: for what takes authority away.
    ///
    /// # Errors
    /// As [`Self::reload`].
    pub async fn reload_urgent(&self) -> Result<Arc<World>, Failure> {
        let now = self.clock.now();
        let (environments, contains) = (Environments::of(&self.config), self.contains.is_ok());
        let loaded = self
            .store
            .read_urgent(move |conn| crate::engine::world::load(conn, now, environments, contains))
            .await;
        self.loaded(loaded)
    }

    fn loaded(&self, loaded: Result<World, crate::engine::world::LoadError>) -> Result<Arc<World>, Failure> {
        let world = loaded.map_err(|error| Failure::Unavailable(error.to_string()))?;
        let world = Arc::new(world);
        // Two may read at once: what was read first must not replace what was read later.
        let is_later = |kept: &World| {
            let (old, new) = (kept.epochs, world.epochs);
            old.policy > new.policy || old.registry > new.registry || old.kill > new.kill
        };
        let kept = self
            .world
            .rcu(|kept| Arc::clone(if is_later(kept) { kept } else { &world }));
        if !is_later(&kept) && kept.epochs != world.epochs {
            let mut worlds = self.worlds.lock().unwrap_or_else(PoisonError::into_inner);
            worlds.push(world);
            self.world_changed.notify_one();
        }
        Ok(self.world())
    }

    /// Reads the world again when it is older than `epochs`.
    ///
    /// # Errors
    /// As [`Self::reload`].
    pub async fn world_since(&self, stale: Epochs) -> Result<Arc<World>, Failure> {
        let world = self.world();
        if world.epochs == stale {
            self.reload().await
        } else {
            Ok(world)
        }
    }

    /// Seals and opens bodies of one task.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] when the key cannot be used.
    pub fn sealer(&self, task: TaskId) -> Result<Sealer, Failure> {
        Ok(Sealer::for_task(&self.keys.seal, task)?)
    }
}

/// Work that must end by itself: calls under way, links that close. A stop waits for it.
#[derive(Debug, Default)]
pub struct Background {
    running: Arc<watch::Sender<usize>>,
}

/// Counts one piece of work, until it is dropped.
struct Running(Arc<watch::Sender<usize>>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.send_modify(|running| *running = running.saturating_sub(1));
    }
}

impl Background {
    /// Runs `work` to its end, whoever waits for it.
    pub fn spawn<F>(&self, work: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.running.send_modify(|running| *running += 1);
        let running = Running(Arc::clone(&self.running));
        tokio::spawn(async move {
            let _running = running;
            work.await
        })
    }

    /// Resolves when nothing is running.
    pub async fn idle(&self) {
        // The sender lives as long as this does.
        let _ = self.running.subscribe().wait_for(|running| *running == 0).await;
    }
}
