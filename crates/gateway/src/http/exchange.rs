//! One request at the engine: its events, then its reply.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use remit_core::limits::EVENTS_QUEUED_MAX;
use tokio::sync::mpsc;

use crate::mcp::ask::Work;
use crate::mcp::refusal;
use crate::ports::{Answer, Engine, Event, Reply, Session};

/// A request in the hands of the engine. Dropping it tells the engine that the client is gone.
pub(crate) struct Exchange {
    reply: Pin<Box<dyn Future<Output = Reply> + Send>>,
    events: mpsc::Receiver<Event>,
    more_events: bool,
    done: Option<Box<Reply>>,
}

/// What happens next.
pub(crate) enum Step {
    /// Something on the way.
    Event(Event),
    /// The end.
    Done(Box<Reply>),
}

impl Exchange {
    /// Hands `work` to the engine; it starts with the first [`Self::next`].
    pub(crate) fn start<E: Engine>(engine: Arc<E>, session: Session, work: Work) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_QUEUED_MAX);
        let reply = Box::pin(async move {
            match work {
                Work::Call(request) => engine.call(&session, *request, sender).await,
                Work::Resume(approval) => engine.resume(&session, approval, sender).await,
                Work::Complain(text) => Reply {
                    answer: Answer::Result(refusal::said(text)),
                    meta: remit_core::json::Object::new(),
                },
            }
        });
        Self {
            reply,
            events,
            more_events: true,
            done: None,
        }
    }

    /// Events before the reply, in their order. Safe to cancel.
    pub(crate) async fn next(&mut self) -> Step {
        while self.done.is_none() {
            tokio::select! {
                biased;
                event = self.events.recv(), if self.more_events => match event {
                    Some(event) => return Step::Event(event),
                    None => self.more_events = false,
                },
                reply = &mut self.reply => self.done = Some(Box::new(reply)),
            }
        }
        // What was sent just before the reply comes before it.
        match (self.events.try_recv(), self.done.take()) {
            (Ok(event), done) => {
                self.done = done;
                Step::Event(event)
            }
            (Err(_), Some(reply)) => Step::Done(reply),
            (Err(_), None) => std::future::pending().await,
        }
    }
}
