//! One request from the client's side: which messages go back, in its revision, until the last.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use remit_core::json::{Object, Value};
use remit_core::limits::STREAM_CUT_MS;
use remit_core::object;
use tokio::sync::oneshot;

use crate::flights::Flight;
use crate::mcp::answer::{self, Final};
use crate::mcp::ask::Subject;
use crate::mcp::client::Client;
use crate::mcp::notify;
use crate::ports::{Engine, Event, Session};
use crate::rpc::{Id, METHOD_NOT_FOUND, RpcError};

use super::exchange::{Exchange, Step};
use super::legacy::Registered;

type Waiting = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A message for the client.
pub(crate) enum Frame {
    /// A notification or a request of ours.
    Message(Vec<u8>),
    /// The response; nothing comes after it.
    Last(Final),
    /// The client cancelled: nothing comes at all.
    Cancelled,
}

/// A running request and everything its messages depend on.
pub(crate) struct Conversation {
    id: Id,
    client: Client,
    subject: Subject,
    exchange: Exchange,
    version: &'static str,
    /// The legacy session, where there is one: who else can cancel, and who can be asked.
    registered: Option<Registered>,
    cancelled: Option<oneshot::Receiver<()>>,
    /// Resolves when the authority is gone.
    gone: Option<Waiting>,
    /// How long the answer may still come after that.
    cut: Option<Waiting>,
    /// Its place among the run's requests, given back with it.
    _flight: Flight,
}

impl Conversation {
    /// A conversation about `exchange`.
    pub(crate) fn new(
        id: Id,
        client: Client,
        subject: Subject,
        exchange: Exchange,
        version: &'static str,
        flight: Flight,
    ) -> Self {
        Self {
            id,
            client,
            subject,
            exchange,
            version,
            registered: None,
            cancelled: None,
            gone: None,
            cut: None,
            _flight: flight,
        }
    }

    /// Ties it to a legacy session.
    #[must_use]
    pub(crate) fn within(mut self, registered: Registered, cancelled: oneshot::Receiver<()>) -> Self {
        self.registered = Some(registered);
        self.cancelled = Some(cancelled);
        self
    }

    /// From here on the end of the authority ends the conversation too. Called when it has lasted a moment.
    pub(crate) fn watch<E: Engine>(&mut self, engine: &Arc<E>, session: &Session) {
        let (engine, session) = (Arc::clone(engine), session.clone());
        self.gone = Some(Box::pin(async move { engine.gone(&session).await }));
    }

    /// The next message. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Frame {
        loop {
            tokio::select! {
                biased;
                () = cancelled(&mut self.cancelled) => return Frame::Cancelled,
                step = self.exchange.next() => match step {
                    Step::Event(event) => {
                        if let Some(message) = self.message(event) {
                            return Frame::Message(message);
                        }
                    }
                    Step::Done(reply) => {
                        return Frame::Last(answer::render(
                            &self.id, *reply, &self.subject, &self.client, self.version,
                        ));
                    }
                },
                () = waiting(&mut self.gone) => {
                    self.gone = None;
                    let patience = Duration::from_millis(STREAM_CUT_MS);
                    self.cut = Some(Box::pin(tokio::time::sleep(patience)));
                }
                () = waiting(&mut self.cut) => return Frame::Last(self.cut_off()),
            }
        }
    }

    fn message(&mut self, event: Event) -> Option<Vec<u8>> {
        match event {
            Event::Progress(params) => notify::progress(&self.client, params),
            Event::Log(params) => notify::log(self.client.era, self.client.log_level.as_deref(), &params),
            Event::ClientRequest {
                feature,
                params,
                reply,
            } => {
                let able = self.client.features.contains(&feature);
                match &mut self.registered {
                    Some(registered) if able => registered.ask(feature, &params, reply),
                    _ => {
                        // The engine may have given up waiting; then nobody misses the answer.
                        let _ = reply.send(Err(unsupported(feature.method())));
                        None
                    }
                }
            }
        }
    }

    fn cut_off(&self) -> Final {
        let message = "the task has ended: what became of this call is in the ledger";
        let data = object! { "decision": "deny", "reason": "task_ended", "message": message };
        let error = RpcError::new(403, message).with_data(data);
        Final::error(Some(&self.id), &error, self.client.era)
    }
}

async fn cancelled(receiver: &mut Option<oneshot::Receiver<()>>) {
    match receiver {
        // A dropped sender means that the session is over: the same thing.
        Some(receiver) => {
            let _ = receiver.await;
        }
        None => std::future::pending().await,
    }
}

async fn waiting(future: &mut Option<Waiting>) {
    match future {
        Some(future) => future.await,
        None => std::future::pending().await,
    }
}

fn unsupported(method: &str) -> Object {
    let mut error = Object::new();
    error.insert("code", METHOD_NOT_FOUND);
    error.insert(
        "message",
        Value::from(format!("this client cannot be asked for `{method}`")),
    );
    error
}
