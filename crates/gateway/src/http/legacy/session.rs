//! One session of a legacy client. It carries no authority: that is the token's, checked on every request.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use remit_core::authority::ClientFeature;
use remit_core::json::Object;
use remit_core::limits::{REPLAY_STREAMS_MAX, SUBSCRIPTIONS_MAX};
use remit_core::name::Name;
use remit_core::time::BootTime;
use tokio::sync::oneshot;

use crate::mcp::client::Client;
use crate::ports::{Endpoint, Session};
use crate::revision::LEGACY_LATEST;
use crate::rpc::{self, Id};

use super::replay::Replay;

type ClientReply = oneshot::Sender<Result<Object, Object>>;

/// A session.
#[derive(Debug)]
pub(crate) struct LegacySession {
    /// Its id, as in the header.
    pub id: String,
    /// Whose it is.
    pub owner: Session,
    /// Where it was opened.
    pub endpoint: Endpoint,
    /// The negotiated revision.
    pub version: &'static str,
    /// What the client declared.
    declared: Client,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    used: BootTime,
    log_level: Option<String>,
    /// Exposed URI → what it stands for.
    subscriptions: BTreeMap<String, (Name, String)>,
    /// Requests of ours to the client.
    asked: HashMap<String, ClientReply>,
    /// Requests of the client, to be cancelled.
    running: HashMap<String, oneshot::Sender<()>>,
    /// Ends the GET stream when dropped.
    listener: Option<oneshot::Sender<()>>,
    streams: VecDeque<Arc<Replay>>,
    /// Numbers streams and requests of ours.
    counter: u64,
}

impl LegacySession {
    pub(super) fn new(
        id: String,
        owner: Session,
        endpoint: Endpoint,
        version: &'static str,
        declared: Client,
        now: BootTime,
    ) -> Self {
        Self {
            id,
            owner,
            endpoint,
            version,
            declared,
            state: Mutex::new(State {
                used: now,
                ..State::default()
            }),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When it was last used.
    pub(super) fn used(&self) -> BootTime {
        self.state().used
    }

    /// It is used now.
    pub(crate) fn touch(&self, now: BootTime) {
        self.state().used = now;
    }

    /// What the client declared, with the log level it set since.
    pub(crate) fn client(&self) -> Client {
        Client {
            log_level: self.state().log_level.clone(),
            ..self.declared.clone()
        }
    }

    /// The log level the client set.
    pub(crate) fn log_level(&self) -> Option<String> {
        self.state().log_level.clone()
    }

    /// `logging/setLevel`.
    pub(crate) fn set_log_level(&self, level: String) {
        self.state().log_level = Some(level);
    }

    /// Remembers a subscription; false when there are too many.
    pub(crate) fn subscribe(&self, exposed: String, target: (Name, String)) -> bool {
        let mut state = self.state();
        if state.subscriptions.len() >= SUBSCRIPTIONS_MAX && !state.subscriptions.contains_key(&exposed) {
            return false;
        }
        state.subscriptions.insert(exposed, target);
        true
    }

    /// Forgets a subscription.
    pub(crate) fn unsubscribe(&self, exposed: &str) {
        self.state().subscriptions.remove(exposed);
    }

    /// True when the client subscribed to that URI.
    pub(crate) fn subscribed(&self, exposed: &str) -> bool {
        self.state().subscriptions.contains_key(exposed)
    }

    /// Registers a request of the client under its id; `None` when one with that id is running.
    pub(crate) fn register(self: &Arc<Self>, id: &Id) -> Option<(Registered, oneshot::Receiver<()>)> {
        let key = id.key();
        let mut state = self.state();
        if state.running.contains_key(&key) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.running.insert(key.clone(), sender);
        drop(state);
        let registered = Registered {
            session: Arc::clone(self),
            key,
            asked: Vec::new(),
        };
        Some((registered, receiver))
    }

    /// `notifications/cancelled`.
    pub(crate) fn cancel(&self, id: &Id) {
        // Dropping the sender is the signal.
        let _ = self.state().running.remove(&id.key());
    }

    /// Hands an answer of the client to whoever waits for it; answers nobody waits for are dropped.
    pub(crate) fn settle(&self, id: &Id, outcome: Result<Object, Object>) {
        let waiting = id.value().as_str().and_then(|id| self.state().asked.remove(id));
        if let Some(reply) = waiting {
            let _ = reply.send(outcome);
        }
    }

    /// A new GET stream ends the one before it. The receiver resolves when this one has to end.
    pub(crate) fn listen(&self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.state().listener = Some(sender);
        receiver
    }

    /// A new stream that outlives its connection.
    pub(crate) fn stream(&self) -> Arc<Replay> {
        let mut state = self.state();
        state.counter += 1;
        // Only this revision says that an event may have no data; older clients choke on it.
        let replay = Arc::new(Replay::new(state.counter, self.version == LEGACY_LATEST));
        if state.streams.len() >= REPLAY_STREAMS_MAX {
            state.streams.pop_front();
        }
        state.streams.push_back(Arc::clone(&replay));
        replay
    }

    /// The stream of that number, while it is kept.
    pub(crate) fn stream_number(&self, number: u64) -> Option<Arc<Replay>> {
        let state = self.state();
        state.streams.iter().find(|s| s.number() == number).cloned()
    }

    /// Forgets a stream that was read to its end.
    pub(crate) fn forget(&self, number: u64) {
        self.state().streams.retain(|s| s.number() != number);
    }

    /// Ends everything that runs in it; gives what is still subscribed.
    pub(super) fn close(&self) -> Vec<(Name, String)> {
        let mut state = self.state();
        state.listener = None;
        state.running.clear();
        state.asked.clear();
        state.streams.clear();
        std::mem::take(&mut state.subscriptions).into_values().collect()
    }
}

/// A running request of the client in its session; dropped when it is over.
#[derive(Debug)]
pub(crate) struct Registered {
    session: Arc<LegacySession>,
    key: String,
    asked: Vec<String>,
}

impl Registered {
    /// The message that asks the client; its answer goes to `reply`.
    pub(crate) fn ask(
        &mut self,
        feature: ClientFeature,
        params: &Object,
        reply: ClientReply,
    ) -> Option<Vec<u8>> {
        let mut state = self.session.state();
        state.counter += 1;
        let id = format!("remit-{}", state.counter);
        state.asked.insert(id.clone(), reply);
        drop(state);
        let message = rpc::request(&id, feature.method(), params);
        self.asked.push(id);
        Some(message)
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let mut state = self.session.state();
        state.running.remove(&self.key);
        for id in &self.asked {
            state.asked.remove(id);
        }
    }
}
