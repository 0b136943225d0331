//! Subscriptions: to one resource by a call, and to the changes of lists by the connection itself.

use std::sync::Arc;
use std::time::Duration;

use remit_core::call::{Call, Operation};
use remit_core::json::{Object, Value};
use tokio::sync::oneshot;

use crate::connection::Inner;
use crate::error::{ErrorKind, Sent};
use crate::event::{Reply, RpcError};
use crate::leg::Leg;
use crate::notices::Notice;
use crate::options::Era;
use crate::wire::Failure;
use crate::wire::gate::Terms;
use crate::wire::request::{self, Outgoing, Voice};
use crate::wire::router::{Open, Router};

/// How long a server may take to confirm a subscription or its end.
const CONFIRM: Duration = Duration::from_secs(10);
/// First and longest wait before a stream that broke is opened again.
const REOPEN: Duration = Duration::from_millis(500);
const REOPEN_MAX: Duration = Duration::from_secs(30);

/// A subscription to one resource. Dropping it ends it.
#[derive(Debug)]
pub struct Subscription {
    /// Dropped to end it.
    stop: Option<oneshot::Sender<()>>,
    ended: Option<tokio::task::JoinHandle<()>>,
}

impl Subscription {
    /// Ends the subscription and waits until the server was told.
    pub async fn end(mut self) {
        drop(self.stop.take());
        if let Some(ended) = self.ended.take() {
            // The task does not panic; if the runtime ended it, it is over as well.
            let _ = ended.await;
        }
    }
}

pub(crate) async fn open(
    inner: &Arc<Inner>,
    call: &Call,
    terms: &Terms,
) -> Result<Result<Subscription, RpcError>, Failure> {
    let Operation::Subscribe(uri) = &call.operation else {
        return Err(Failure::new(ErrorKind::WrongPermit, Sent::No, ""));
    };
    inner
        .router
        .subscribe(uri, true)
        .map_err(|why| Failure::new(ErrorKind::TooLarge, Sent::No, why))?;
    let counted = Counted {
        router: inner.router.clone(),
        uri: uri.clone(),
    };
    match inner.agreed.era {
        Era::Legacy => legacy(inner, call, terms, counted).await,
        Era::Modern => modern(inner, call, terms, counted).await,
    }
}

/// Counts as subscribed as long as it lives.
struct Counted {
    router: Arc<Router>,
    uri: String,
}

impl Drop for Counted {
    fn drop(&mut self) {
        // Only adding can fail.
        let _ = self.router.subscribe(&self.uri, false);
    }
}

async fn legacy(
    inner: &Arc<Inner>,
    call: &Call,
    terms: &Terms,
    counted: Counted,
) -> Result<Result<Subscription, RpcError>, Failure> {
    let voice = Voice {
        decision: terms.decision,
        ..Voice::plain(Era::Legacy)
    };
    let make = |id| written(request::call(id, call, None, voice));
    let gate = terms.gate(CONFIRM);
    if let Reply::Error(mut error) = inner.ask(make, Open::default, &gate, terms, true).await? {
        inner.scrub_error(&mut error);
        return Ok(Err(error));
    }
    let (stop, stopped) = oneshot::channel();
    let (leg, router, terms) = (inner.leg.clone(), inner.router.clone(), terms.clone());
    let ended = tokio::spawn(async move {
        tokio::select! {
            _ = stopped => {}
            () = terms.over() => {}
            _ = leg.life().over() => return,
        }
        let uri = counted.uri.clone();
        drop(counted);
        if router.is_unsubscribed(&uri) {
            unsubscribe(&leg, &router, &terms, uri).await;
        }
    });
    Ok(Ok(Subscription {
        stop: Some(stop),
        ended: Some(ended),
    }))
}

/// Allowed by what allowed the subscription: it takes back, and is sent although the authority may be gone.
async fn unsubscribe(leg: &Leg, router: &Arc<Router>, terms: &Terms, uri: String) {
    let params: Object = [("uri", uri)].into_iter().collect();
    let outgoing = request::plain(
        router.next_id(),
        "resources/unsubscribe",
        &params,
        Voice::plain(Era::Legacy),
    );
    let (_holder, lifeline) = remit_enforce::LifelineHolder::new();
    let terms = Terms {
        lifeline,
        ..terms.lasting()
    };
    if let Err(failure) = leg
        .exchange(outgoing, Open::default(), &terms.gate(CONFIRM))
        .await
    {
        tracing::debug!(why = %failure.explain(), "a subscription could not be taken back");
    }
}

async fn modern(
    inner: &Arc<Inner>,
    call: &Call,
    terms: &Terms,
    counted: Counted,
) -> Result<Result<Subscription, RpcError>, Failure> {
    let voice = Voice {
        decision: terms.decision,
        ..Voice::plain(Era::Modern)
    };
    let id = inner.router.next_id();
    let first = written(request::call(id, call, None, voice))?;
    let (acknowledged, heard) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let (refused, refusal) = oneshot::channel();
    let listening = Listening {
        leg: inner.leg.clone(),
        router: inner.router.clone(),
        terms: terms.clone(),
        filter: resource_filter(&counted.uri),
        notice: vec![Notice::ResourceUpdated(counted.uri.clone())],
    };
    let ended = tokio::spawn(async move {
        let _counted = counted;
        let open = Open {
            acknowledged: Some(acknowledged),
            ..Open::default()
        };
        let gate = listening.terms.gate(Duration::MAX);
        let work = async {
            let ended = listening.leg.exchange(first, open, &gate).await;
            if let Some(ended) = final_word(ended) {
                let _ = refused.send(ended);
                return;
            }
            listening.keep().await;
        };
        tokio::select! {
            _ = stopped => {}
            () = work => {}
        }
    });
    let subscription = Subscription {
        stop: Some(stop),
        ended: Some(ended),
    };
    let gate = terms.gate(CONFIRM);
    gate.run(async {
        tokio::select! {
            biased;
            Ok(()) = heard => Ok(Ok(subscription)),
            Ok(refusal) = refusal => refusal.map(|mut error| {
                inner.scrub_error(&mut error);
                Err(error)
            }),
            else => Err(Failure::new(ErrorKind::Gone, Sent::Maybe, "it ended the subscription at once")),
        }
    })
    .await
}

/// A listening request that will not come to anything: the server's refusal, or why it cannot be made.
fn final_word(ended: Result<Reply, Failure>) -> Option<Result<RpcError, Failure>> {
    match ended {
        Ok(Reply::Error(error)) => Some(Ok(error)),
        // A server may end a stream in good order, and streams break.
        Ok(Reply::Result(_)) => None,
        Err(failure) if failure.kind == ErrorKind::Gone && failure.sent != Sent::No => None,
        Err(failure) => Some(Err(failure)),
    }
}

fn written(outgoing: Result<Outgoing, &'static str>) -> Result<Outgoing, Failure> {
    outgoing.map_err(|why| Failure::new(ErrorKind::WrongPermit, Sent::No, why))
}

fn resource_filter(uri: &str) -> Object {
    let uris: Value = std::iter::once(uri).collect();
    [("resourceSubscriptions", uris)].into_iter().collect()
}

/// Subscribes again to everything in a new session, which knows of nothing; what may have been missed counts as changed.
pub(crate) async fn renew(inner: &Inner, terms: &Terms) {
    for uri in inner.router.subscribed() {
        let params: Object = [("uri", uri.as_str())].into_iter().collect();
        let id = inner.router.next_id();
        let voice = Voice::plain(Era::Legacy);
        let outgoing = request::plain(id, "resources/subscribe", &params, voice);
        let gate = terms.gate(CONFIRM);
        if let Err(failure) = inner.leg.exchange(outgoing, Open::default(), &gate).await {
            tracing::warn!(server = %inner.server, why = %failure.explain(), "a subscription was lost with its session");
        }
        inner.router.board.pin(Notice::ResourceUpdated(uri));
    }
}

/// Listens for changes of the lists a modern server says change, and tells when it is heard; `None` when there are none, or
/// the server tells by itself.
pub(crate) fn changes(
    inner: &Inner,
    terms: Terms,
) -> Option<(impl Future<Output = ()> + Send + 'static, oneshot::Receiver<()>)> {
    if inner.agreed.era == Era::Legacy {
        return None;
    }
    let mut filter = Object::new();
    let mut notice = Vec::new();
    for (what, member, change) in [
        ("tools", "toolsListChanged", Notice::ToolsChanged),
        ("prompts", "promptsListChanged", Notice::PromptsChanged),
        ("resources", "resourcesListChanged", Notice::ResourcesChanged),
    ] {
        let changes = inner
            .agreed
            .capabilities
            .get(what)
            .and_then(|capability| capability.get("listChanged"));
        if changes.and_then(Value::as_bool) == Some(true) {
            filter.insert(member, true);
            notice.push(change);
        }
    }
    if filter.is_empty() {
        return None;
    }
    let listening = Listening {
        leg: inner.leg.clone(),
        router: inner.router.clone(),
        terms,
        filter,
        notice,
    };
    let (acknowledged, heard) = oneshot::channel();
    let listen = async move {
        if let Err(failure) = listening.once(Some(acknowledged)).await {
            tracing::debug!(why = %failure.explain(), "changes are not told");
            return;
        }
        listening.keep().await;
    };
    Some((listen, heard))
}

/// A `subscriptions/listen` stream that is opened again when it breaks.
struct Listening {
    leg: Leg,
    router: Arc<Router>,
    terms: Terms,
    filter: Object,
    /// What may have been missed while there was no stream.
    notice: Vec<Notice>,
}

impl Listening {
    /// Listens until the stream ends. `Err`: it will not work at all.
    async fn once(&self, acknowledged: Option<oneshot::Sender<()>>) -> Result<(), Failure> {
        let params: Object = [("notifications", self.filter.clone())].into_iter().collect();
        let id = self.router.next_id();
        let outgoing = request::plain(id, "subscriptions/listen", &params, Voice::plain(Era::Modern));
        let gate = self.terms.gate(Duration::MAX);
        let open = Open {
            acknowledged,
            ..Open::default()
        };
        let ended = self.leg.exchange(outgoing, open, &gate).await;
        match final_word(ended) {
            None => Ok(()),
            Some(Err(failure)) => Err(failure),
            Some(Ok(error)) => Err(Failure::new(ErrorKind::NotOffered, Sent::Yes, error.code)),
        }
    }

    /// Opens the stream again whenever it ended, ever more slowly; whatever may have been missed counts as changed.
    async fn keep(&self) {
        let mut wait = REOPEN;
        while !self.leg.life().is_over() && self.terms.gate(CONFIRM).check().is_ok() {
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(REOPEN_MAX);
            for notice in &self.notice {
                self.router.board.pin(notice.clone());
            }
            match self.once(None).await {
                Ok(()) => {}
                Err(failure) if failure.kind == ErrorKind::Unreachable => {}
                Err(_) => return,
            }
        }
    }
}
