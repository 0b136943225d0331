//! Whose is it? Routes what a server says to the call it belongs to, or refuses it. Never waits for anybody.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::authority::ClientFeature;
use remit_core::json::{Object, Value};
use tokio::sync::{mpsc, oneshot};

use crate::event::{ClientAnswer, Reply, UpstreamEvent};
use crate::notices::{Board, Notice};
use crate::options::Era;
use crate::scrub::Scrubber;
use crate::wire::Failure;
use crate::wire::message::{Flaw, Incoming};

/// Given-up requests whose late answers are still excused.
const ABANDONED_MAX: usize = 1024;
/// Most resources subscribed to over one connection.
const SUBSCRIBED_MAX: usize = 1024;

/// What one connection has under way.
pub(crate) struct Router {
    pub(crate) scrubber: Arc<Scrubber>,
    pub(crate) board: Arc<Board>,
    /// Several tasks share the connection, so nothing may be guessed about whose a message is.
    shared: bool,
    next: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: BTreeMap<u64, Open>,
    abandoned: VecDeque<u64>,
    subscribed: BTreeMap<String, usize>,
}

/// A request under way.
#[derive(Default)]
pub(crate) struct Open {
    /// Who wants to hear of it; nobody for requests of the system.
    pub(crate) events: Option<mpsc::Sender<UpstreamEvent>>,
    pub(crate) features: Vec<ClientFeature>,
    pub(crate) logs: bool,
    /// Where the answer goes, when it does not come back on a stream of its own.
    pub(crate) answer: Option<oneshot::Sender<Result<Reply, Failure>>>,
    /// Told when a `subscriptions/listen` was acknowledged.
    pub(crate) acknowledged: Option<oneshot::Sender<()>>,
}

/// What is to be done about a message.
#[derive(Debug)]
pub(crate) enum Handled {
    /// Nothing more.
    Done,
    /// It answers the request whose stream it came on.
    Answer(Reply),
    /// This is to be sent back at once.
    Send(Vec<u8>),
    /// Somebody is asked; the answer is to be sent when it is there.
    Ask(Ask),
}

/// A question of the server that waits for its answer.
#[derive(Debug)]
pub(crate) struct Ask {
    pub(crate) id: Value,
    pub(crate) feature: ClientFeature,
    pub(crate) answer: oneshot::Receiver<ClientAnswer>,
}

impl Router {
    pub(crate) fn new(scrubber: Arc<Scrubber>, board: Arc<Board>, shared: bool) -> Self {
        Self {
            scrubber,
            board,
            shared,
            next: AtomicU64::new(1),
            state: Mutex::default(),
        }
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }

    /// Registers a request before its first byte leaves; forgotten when the returned value is dropped.
    pub(crate) fn open(self: &Arc<Self>, id: u64, open: Open) -> Registered {
        self.with(|state| state.open.insert(id, open));
        Registered {
            router: self.clone(),
            id,
        }
    }

    pub(crate) fn subscribe(&self, uri: &str, on: bool) -> Result<(), &'static str> {
        self.with(|state| {
            if on {
                if state.subscribed.len() >= SUBSCRIBED_MAX {
                    return Err("too many resources are subscribed to");
                }
                *state.subscribed.entry(uri.to_owned()).or_default() += 1;
            } else if let Some(count) = state.subscribed.get_mut(uri) {
                *count -= 1;
                if *count == 0 {
                    state.subscribed.remove(uri);
                }
            }
            Ok(())
        })
    }

    /// True when nobody is subscribed to `uri` any more.
    pub(crate) fn is_unsubscribed(&self, uri: &str) -> bool {
        self.with(|state| !state.subscribed.contains_key(uri))
    }

    /// Everything somebody is subscribed to.
    pub(crate) fn subscribed(&self) -> Vec<String> {
        self.with(|state| state.subscribed.keys().cloned().collect())
    }

    /// Ends every request under way: the connection is gone.
    pub(crate) fn fail_all(&self, failure: &Failure) {
        let open = self.with(|state| std::mem::take(&mut state.open));
        for (_, request) in open {
            if let Some(answer) = request.answer {
                let _ = answer.send(Err(failure.clone()));
            }
        }
    }

    /// Routes one message. `on`: the request on whose stream it came; `None` on a channel shared by all.
    pub(crate) fn handle(&self, era: Era, message: Incoming, on: Option<u64>) -> Result<Handled, Flaw> {
        match message {
            Incoming::Response { id, reply } => self.response(id, reply, on),
            Incoming::Notification { method, params } => {
                self.notification(&method, params, on);
                Ok(Handled::Done)
            }
            // Modern servers put their questions into results; a modern client never answers anything.
            Incoming::Request { .. } if era == Era::Modern => Ok(Handled::Done),
            Incoming::Request { id, method, params } => Ok(self.request(id, &method, params, on)),
        }
    }

    fn response(&self, id: Option<u64>, reply: Reply, on: Option<u64>) -> Result<Handled, Flaw> {
        if let Some(expected) = on {
            // An error without id: the server could not read ours, and this stream has only one request.
            let ours = id == Some(expected) || (id.is_none() && matches!(reply, Reply::Error(_)));
            return if ours {
                Ok(Handled::Answer(reply))
            } else {
                Err(Flaw(
                    "it answered another request than the one it was asked".to_owned(),
                ))
            };
        }
        let Some(id) = id.or_else(|| self.only_open()) else {
            return Ok(Handled::Done);
        };
        let open = self.with(|state| match state.open.remove(&id) {
            Some(open) => Ok(Some(open)),
            None if take(&mut state.abandoned, id) => Ok(None),
            None => Err(Flaw("it answered a request that is not under way".to_owned())),
        })?;
        if let Some(answer) = open.and_then(|open| open.answer) {
            let _ = answer.send(Ok(reply));
        }
        Ok(Handled::Done)
    }

    fn notification(&self, method: &str, mut params: Object, on: Option<u64>) {
        self.scrubber.object(&mut params);
        match method {
            "notifications/progress" => self.progress(params, on),
            "notifications/message" => self.log(params, on),
            "notifications/tools/list_changed" => self.board.pin(Notice::ToolsChanged),
            "notifications/prompts/list_changed" => self.board.pin(Notice::PromptsChanged),
            "notifications/resources/list_changed" => self.board.pin(Notice::ResourcesChanged),
            "notifications/resources/updated" => {
                if let Some(uri) = params.get("uri").and_then(Value::as_str)
                    && self.with(|state| state.subscribed.contains_key(uri))
                {
                    self.board.pin(Notice::ResourceUpdated(uri.to_owned()));
                }
            }
            "notifications/subscriptions/acknowledged" => {
                let id = on.or_else(|| subscription_id(&params));
                let told = self.with(|state| state.open.get_mut(&id?)?.acknowledged.take());
                if let Some(told) = told {
                    let _ = told.send(());
                }
            }
            // A modern server ends a listening request this way; everything else is none of its business.
            "notifications/cancelled" => {
                let id = params.get("requestId").and_then(Value::as_u64);
                let ended = self.with(|state| {
                    let listening = state.open.get(&id?)?.events.is_none();
                    listening.then(|| state.open.remove(&id?)).flatten()
                });
                drop(ended);
            }
            _ => {}
        }
    }

    fn progress(&self, mut params: Object, on: Option<u64>) {
        let Some(token) = params.remove("progressToken").and_then(|t| t.as_u64()) else {
            return;
        };
        if on.is_some_and(|on| on != token) {
            return;
        }
        params.remove("_meta");
        let events = self.with(|state| state.open.get(&token)?.events.clone());
        if let Some(events) = events {
            // A caller that does not keep up misses some: progress is no evidence.
            let _ = events.try_send(UpstreamEvent::Progress(params));
        }
    }

    fn log(&self, mut params: Object, on: Option<u64>) {
        params.remove("_meta");
        let (events, alone) = self.with(|state| {
            let mut callers = state.open.iter().filter(|(_, open)| open.events.is_some());
            let first = callers.next();
            let alone = callers.next().is_none();
            let whose = match on {
                Some(id) => state.open.get(&id),
                None => first.map(|(_, open)| open).filter(|_| alone),
            };
            (
                whose.and_then(|open| open.logs.then(|| open.events.clone())?),
                whose.is_none(),
            )
        });
        match events {
            Some(events) => drop(events.try_send(UpstreamEvent::Log(params))),
            None if alone && !self.shared => self.board.pin(Notice::Log(params)),
            None => {}
        }
    }

    fn request(&self, id: Value, method: &str, mut params: Object, on: Option<u64>) -> Handled {
        use crate::wire::request::{answer, refusal};
        if method == "ping" {
            return Handled::Send(answer(&id, &Object::new()));
        }
        let refuse = |id: &Value| Handled::Send(refusal(id, -32601, "not available"));
        let Some(feature) = ClientFeature::ALL.into_iter().find(|f| f.method() == method) else {
            return refuse(&id);
        };
        let Some(events) = self.asked(feature, on) else {
            return refuse(&id);
        };
        self.scrubber.object(&mut params);
        params.remove("_meta");
        let (reply, answer) = oneshot::channel();
        let event = UpstreamEvent::ClientRequest {
            feature,
            params,
            reply,
        };
        if events.try_send(event).is_err() {
            return refuse(&id);
        }
        Handled::Ask(Ask { id, feature, answer })
    }

    /// Whom a question of the server goes to: the call it came with, or on a shared channel the latest one under way.
    fn asked(&self, feature: ClientFeature, on: Option<u64>) -> Option<mpsc::Sender<UpstreamEvent>> {
        self.with(|state| {
            let mut callers = state.open.iter().rev().filter(|(_, open)| open.events.is_some());
            let open = match on.and_then(|id| state.open.get(&id)) {
                Some(open) => open,
                None => {
                    let (_, latest) = callers.next()?;
                    if self.shared && callers.next().is_some() {
                        return None;
                    }
                    latest
                }
            };
            open.features.contains(&feature).then(|| open.events.clone())?
        })
    }

    fn only_open(&self) -> Option<u64> {
        self.with(|state| {
            let mut ids = state.open.keys();
            let first = ids.next().copied();
            first.filter(|_| ids.next().is_none())
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn subscription_id(params: &Object) -> Option<u64> {
    params
        .get("_meta")?
        .get("io.modelcontextprotocol/subscriptionId")?
        .as_u64()
}

fn take(ids: &mut VecDeque<u64>, id: u64) -> bool {
    let at = ids.iter().position(|other| *other == id);
    at.and_then(|at| ids.remove(at)).is_some()
}

/// A request that is registered as long as this lives.
pub(crate) struct Registered {
    router: Arc<Router>,
    pub(crate) id: u64,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.router.with(|state| {
            if state
                .open
                .remove(&self.id)
                .is_some_and(|open| open.answer.is_some())
            {
                if state.abandoned.len() == ABANDONED_MAX {
                    state.abandoned.pop_front();
                }
                state.abandoned.push_back(self.id);
            }
        });
    }
}

#[cfg(test)]
#[path = "router_tests.rs"]
mod tests;
