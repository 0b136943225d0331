//! The engine as the gateway knows it: every request runs in a task of its own, so that a client that goes away
//! changes nothing about what is recorded.

use std::future::Future;
use std::sync::Arc;

use remit_core::confinement::Proof;
use remit_core::decision::{Decision, Reason};
use remit_core::id::ApprovalId;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_gateway::ports::{
    Answer, AuthFailure, Catalog, Endpoint, Engine, Era, Events, Notice, Presented, Refusal, Reply, Request,
    Session,
};
use remit_upstream::CallOptions;
use tokio::sync::mpsc;

use super::call::{Allowed, Asked, Decided, Redeemed, decide, decide_prepared, unavailable};
use super::continuation::Second;
use super::decide::prepare;
use super::live::Live;
use super::origin::{Origin, origin};
use super::redeem::delivered;
use super::send::{Manner, send};
use super::waiting::{self, Given};
use super::{catalog, continuation, features, session};
use crate::app::{App, Failure};
use crate::tasks::builtin;

/// Notices that may wait to be taken by one stream.
const NOTICES_WAITING: usize = 64;

/// The app behind the gateway's port.
#[derive(Clone, Debug)]
pub struct Port(pub Arc<App>);

impl Port {
    fn live(&self, session: &Session) -> Result<Arc<Live>, Failure> {
        let known = Arc::clone(&session.handle).downcast::<Live>();
        known.map_err(|_| Failure::Unavailable("the session is not one of ours".to_owned()))
    }

    /// Runs a request to its end, whether or not anybody waits for the answer. A client that went away is not there to
    /// take a kept result, which then waits on: what follows the await happens only when the gateway takes the answer.
    async fn supervised<F, G>(&self, live: Result<Arc<Live>, Failure>, work: F) -> Reply
    where
        F: FnOnce(Arc<App>, Arc<Live>) -> G,
        G: Future<Output = Result<Given, Failure>> + Send + 'static,
    {
        let given = match &live {
            Ok(live) => {
                let done = self
                    .0
                    .background
                    .spawn(work(Arc::clone(&self.0), Arc::clone(live)));
                done.await.unwrap_or_else(|error| {
                    Err(Failure::Unavailable(format!("the request broke off: {error}")))
                })
            }
            Err(failure) => Err(Failure::Unavailable(failure.to_string())),
        };
        let Given { answer, redeemed } = given.unwrap_or_else(|failure| refused_by(&self.0, &failure).into());
        if let (Ok(live), Some((approval, call))) = (live, redeemed) {
            delivered(&self.0, &live, approval, call);
        }
        let mut meta = Object::new();
        if let Some(head) = self.0.head.borrow().as_ref() {
            meta.insert("dev.remit/head", head.as_ref());
        }
        Reply { answer, meta }
    }
}

/// No verdict: said in the form of a denial, with the reason `unavailable`.
fn refused_by(app: &App, failure: &Failure) -> Answer {
    refused(unavailable(app, failure), false)
}

pub(super) fn refused(decision: Decision, has_output_schema: bool) -> Answer {
    Answer::Refused(Refusal {
        decision,
        has_output_schema,
        continuation: None,
    })
}

impl Engine for Port {
    async fn authenticate(&self, presented: Presented) -> Result<Session, AuthFailure> {
        let live = session::authenticate(&self.0, presented.token.as_deref()).await?;
        let proof = crate::proofs::prove(&self.0, &live, &presented).await?;
        let snapshot = live.snapshot();
        if snapshot.task.life.heartbeat_ms.is_some() {
            self.0.pulses.sign(snapshot.task.id, self.0.clock.boot());
        }
        Ok(Session {
            task: snapshot.task.id,
            run: snapshot.task.run,
            agent: snapshot.task.agent.clone(),
            proof,
            handle: live,
        })
    }

    async fn catalog(
        &self,
        session: &Session,
        endpoint: &Endpoint,
        era: Era,
    ) -> Result<Arc<Catalog>, Box<Decision>> {
        let no = |failure: Failure| Box::new(unavailable(&self.0, &failure));
        let live = self.live(session).map_err(no)?;
        if let Endpoint::Server(name) = endpoint
            && self.0.world().registry.server(name).is_none()
        {
            return Err(Box::new(no_server(
                &self.0,
                format!("no server `{name}` is registered"),
            )));
        }
        let (app, endpoint) = (Arc::clone(&self.0), endpoint.clone());
        let listed = self
            .0
            .background
            .spawn(async move { catalog::catalog(&app, &live, &endpoint, era).await });
        listed
            .await
            .map_err(|error| no(Failure::Unavailable(error.to_string())))
    }

    async fn known(
        &self,
        session: &Session,
        endpoint: &Endpoint,
        _: Era,
    ) -> Result<Arc<Catalog>, Box<Decision>> {
        let live = self
            .live(session)
            .map_err(|failure| Box::new(unavailable(&self.0, &failure)))?;
        Ok(catalog::known(&self.0, &live, endpoint))
    }

    async fn call(&self, session: &Session, request: Request, events: Events) -> Reply {
        let proof = session.proof;
        self.supervised(self.live(session), move |app, live| async move {
            call(&app, &live, request, proof, events).await
        })
        .await
    }

    async fn resume(&self, session: &Session, approval: ApprovalId, _: Events) -> Reply {
        self.supervised(self.live(session), move |app, live| async move {
            waiting::by_reference(&app, &live, approval).await
        })
        .await
    }

    async fn subscribe(&self, session: &Session, server: Name, uri: String, on: bool, era: Era) -> Reply {
        let proof = session.proof;
        self.supervised(self.live(session), move |app, live| async move {
            let answer = super::subscribe::subscribe(&app, &live, server, uri, on, era, proof).await?;
            Ok(answer.into())
        })
        .await
    }

    fn notices(&self, session: &Session, endpoint: &Endpoint) -> mpsc::Receiver<Notice> {
        let (sender, receiver) = mpsc::channel(NOTICES_WAITING);
        if let Ok(live) = self.live(session) {
            tokio::spawn(forward(Arc::clone(&self.0), live, endpoint.clone(), sender));
        }
        receiver
    }

    async fn gone(&self, session: &Session) {
        if let Ok(live) = self.live(session) {
            live.lifeline().gone().await;
        }
    }
}

fn no_server(app: &App, message: String) -> Decision {
    let failure = Failure::NotFound(message);
    let decision = unavailable(app, &failure);
    Decision {
        reason: Reason::OutOfAuthority,
        ..decision
    }
}

/// One request: decided, and sent, held or refused.
async fn call(
    app: &Arc<App>,
    live: &Arc<Live>,
    request: Request,
    proof: Proof,
    events: Events,
) -> Result<Given, Failure> {
    let second = match continuation::open(app, live, &request).await? {
        Some(Second::Refused(answer)) => return Ok((*answer).into()),
        Some(Second::Round(continuation)) => Some(continuation),
        None => None,
    };
    let manner = manner(&request, live, second);
    let asked = Asked {
        server: request.server.clone(),
        operation: request.operation.clone(),
        arguments: request.arguments.clone(),
        era: request.era,
        proof,
        attachment: None,
        cause: None,
    };
    if let Some(approval) = waiting::waited_for_login(app, live, &asked).await? {
        return waiting::again(app, live, approval).await;
    }
    let task = Arc::clone(&live.snapshot().task);
    if task.life.idle_ms.is_some() && !builtin::is(&asked.server) {
        app.pulses.call(task.id, app.clock.boot());
    }
    let world = app.world();
    let first = prepare(
        &world,
        &asked.server,
        asked.operation.clone(),
        asked.arguments.clone(),
        asked.proof,
    );
    // A further round of a call is no repeat of it.
    let ticket = if request.continuation.is_some() {
        None
    } else {
        match origin(app, live, &first).await? {
            Origin::Same(answer) => return Ok((*answer).into()),
            Origin::New(ticket) => ticket,
        }
    };
    let client = events.clone();
    let first = Some((world, first));
    let mut decided = decide_prepared(app, live, &asked, &Redeemed::Nothing, first).await?;
    if let Decided::Allowed(allowed) = decided {
        match send_on(app, live, *allowed, manner.clone(), events.clone()).await {
            // Not done, and decided anew: with other tokens it is sent, without any it waits for the person.
            Err(Failure::NeedsReauth(_)) => decided = decide(app, live, &asked, &Redeemed::Nothing).await?,
            sent => {
                let answer = sent?;
                if let Some(ticket) = ticket {
                    ticket.over(&answer, !client.is_closed());
                }
                return Ok(answer.into());
            }
        }
    }
    match decided {
        Decided::Allowed(allowed) => {
            let answer = send_on(app, live, *allowed, manner, events).await?;
            if let Some(ticket) = ticket {
                ticket.over(&answer, !client.is_closed());
            }
            Ok(answer.into())
        }
        Decided::Denied {
            decision,
            has_output_schema,
        } => Ok(refused(*decision, has_output_schema).into()),
        Decided::Asks(asks) => {
            // Waiting calls have an approval of their own that finds them.
            drop(ticket);
            waiting::ask_people(app, live, &asked, manner, &asks, events).await
        }
    }
}

/// Sends an allowed call. What the server asks back for is vetted, and its state sealed, before the client sees it.
pub(super) async fn send_on(
    app: &Arc<App>,
    live: &Arc<Live>,
    allowed: Allowed,
    manner: Manner,
    events: Events,
) -> Result<Answer, Failure> {
    let (digest, era) = (allowed.prepared.digest, manner.era);
    let server = allowed.prepared.call.server.clone();
    let answer = send(app, live, allowed, manner, Some(events)).await?;
    match vet_inputs(app, live, &server, era, answer).await? {
        Answer::Result(result) => continuation::seal(app, live, digest, result).map(Answer::Result),
        other => Ok(other),
    }
}

fn manner(request: &Request, live: &Live, continuation: Option<remit_upstream::Continuation>) -> Manner {
    let allowed = &live.snapshot().task.authority.client_features;
    let options = CallOptions {
        features: request
            .client_features
            .iter()
            .copied()
            .filter(|f| allowed.contains(f))
            .collect(),
        elicitation_url: request.elicitation_url,
        wants_progress: request.wants_progress,
        log_level: request.log_level.clone(),
        continuation,
        ..CallOptions::default()
    };
    Manner {
        era: request.era,
        options,
        keep: false,
    }
}

/// What a result asks of the client is decided like every request of a server; one that is refused refuses the result.
async fn vet_inputs(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    era: Era,
    answer: Answer,
) -> Result<Answer, Failure> {
    let Answer::Result(result) = &answer else {
        return Ok(answer);
    };
    if result.get("resultType").and_then(Value::as_str) != Some("input_required") {
        return Ok(answer);
    }
    match features::vet(app, live, server, era, result).await? {
        None => Ok(answer),
        Some(decision) => Ok(refused(*decision, false)),
    }
}

/// Passes on what happens at the links of a task, until the task ends or nobody listens.
async fn forward(app: Arc<App>, live: Arc<Live>, endpoint: Endpoint, to: mpsc::Sender<Notice>) {
    let task = live.snapshot().task.id;
    let mut lifeline = live.lifeline();
    // Opening the links here makes a listener hear of changes even when it never called anything.
    catalog::catalog(&app, &live, &endpoint, Era::Modern).await;
    let mut streams = tokio::task::JoinSet::new();
    for link in app.links.of_task(task) {
        let (mut notices, to) = (link.notices.subscribe(), to.clone());
        streams.spawn(async move {
            loop {
                match notices.recv().await {
                    Ok(notice) => {
                        if to.send(notice).await.is_err() {
                            return;
                        }
                    }
                    Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => {}
                    Err(tokio::sync::broadcast::error::RecvError::Closed) => return,
                }
            }
        });
    }
    tokio::select! {
        _ = lifeline.gone() => {}
        () = to.closed() => {}
    }
}
