//! The engine as the gateway knows it: every request runs in a task of its own, so that a client that goes away
//! changes nothing about what is recorded.

use std::future::Future;
use std::sync::Arc;

use remit_core::approval::Grant;
use remit_core::call::Operation;
use remit_core::decision::{Decision, Effect, Reason};
use remit_core::id::{ApprovalId, DecisionId};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_gateway::ports::{
    Answer, AuthFailure, Catalog, Endpoint, Engine, Era, Events, Notice, Presented, Refusal, Reply, Request,
    Session,
};
use remit_upstream::CallOptions;
use tokio::sync::mpsc;

use super::call::{Allowed, Asked, Asks, Decided, Redeemed, decide, unavailable};
use super::continuation::Second;
use super::live::Live;
use super::redeem::{Worth, same_call, worth};
use super::send::{Manner, send};
use super::{catalog, continuation, features, hold, session};
use crate::app::{App, Failure};

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

    /// Runs a request to its end, whether or not anybody waits for the answer.
    async fn supervised<F>(&self, work: F) -> Reply
    where
        F: Future<Output = Result<Answer, Failure>> + Send + 'static,
    {
        let done = self.0.background.spawn(work).await;
        let answer =
            done.unwrap_or_else(|error| Err(Failure::Unavailable(format!("the request broke off: {error}"))));
        let answer = answer.unwrap_or_else(|failure| refused_by(&self.0, &failure));
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

fn refused(decision: Decision, has_output_schema: bool) -> Answer {
    Answer::Refused(Refusal {
        decision,
        has_output_schema,
        continuation: None,
    })
}

impl Engine for Port {
    async fn authenticate(&self, presented: Presented) -> Result<Session, AuthFailure> {
        let live = session::authenticate(&self.0, presented.bearer.as_deref()).await?;
        let snapshot = live.snapshot();
        Ok(Session {
            task: snapshot.task.id,
            run: snapshot.task.run,
            agent: snapshot.task.agent.clone(),
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
        let app = Arc::clone(&self.0);
        let live = self.live(session);
        self.supervised(async move { call(&app, &live?, request, events).await })
            .await
    }

    async fn resume(&self, session: &Session, approval: ApprovalId, _: Events) -> Reply {
        let app = Arc::clone(&self.0);
        let live = self.live(session);
        self.supervised(async move {
            let live = live?;
            let pending = pending_again(&app, &live, approval).await?;
            wait(&app, &live, approval, pending).await
        })
        .await
    }

    async fn subscribe(&self, session: &Session, server: Name, uri: String, on: bool, era: Era) -> Reply {
        let app = Arc::clone(&self.0);
        let live = self.live(session);
        self.supervised(async move { super::subscribe::subscribe(&app, &live?, server, uri, on, era).await })
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
async fn call(app: &Arc<App>, live: &Arc<Live>, request: Request, events: Events) -> Result<Answer, Failure> {
    let second = match continuation::open(app, live, &request).await? {
        Some(Second::Refused(answer)) => return Ok(answer),
        Some(Second::Round(continuation)) => Some(continuation),
        None => None,
    };
    let manner = manner(&request, live, second);
    let asked = Asked {
        server: request.server.clone(),
        operation: request.operation.clone(),
        arguments: request.arguments.clone(),
        era: request.era,
    };
    match decide(app, live, &asked, &Redeemed::Nothing).await? {
        Decided::Allowed(allowed) => send_on(app, live, *allowed, manner, events).await,
        Decided::Denied {
            decision,
            has_output_schema,
        } => Ok(refused(*decision, has_output_schema)),
        Decided::Asks(asks) => ask_people(app, live, &asked, manner, &asks, events).await,
    }
}

/// Sends an allowed call; what the server asks back for is vetted and its state sealed before the client sees it.
async fn send_on(
    app: &Arc<App>,
    live: &Arc<Live>,
    allowed: Allowed,
    manner: Manner,
    events: Events,
) -> Result<Answer, Failure> {
    let digest = allowed.prepared.digest;
    let answer = send(app, live, allowed, manner, Some(events)).await?;
    match vet_inputs(app, live, answer) {
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

/// A result that asks the client for something the task does not name becomes a refusal.
fn vet_inputs(app: &App, live: &Live, answer: Answer) -> Answer {
    let Answer::Result(result) = &answer else {
        return answer;
    };
    if result.get("resultType").and_then(Value::as_str) != Some("input_required") {
        return answer;
    }
    let allowed = &live.snapshot().task.authority.client_features;
    match features::wanted_by(result)
        .into_iter()
        .find(|feature| !allowed.contains(feature))
    {
        None => answer,
        Some(feature) => {
            let message = format!(
                "the server asks for {}, which this task does not allow",
                feature.method()
            );
            let decision = unavailable(app, &Failure::Forbidden(message));
            refused(
                Decision {
                    reason: Reason::OutOfAuthority,
                    ..decision
                },
                false,
            )
        }
    }
}

/// Policy asks for people: an approval may stand for the call already, a grant may cover it, else a new one is opened.
async fn ask_people(
    app: &Arc<App>,
    live: &Arc<Live>,
    asked: &Asked,
    manner: Manner,
    asks: &Asks,
    events: Events,
) -> Result<Answer, Failure> {
    // First: a result that waits for the agent is handed over, never made a second time under a grant.
    if let Some(approval) = same_call(app, live, asks.prepared.digest).await? {
        let pending = pending_again(app, live, approval).await?;
        return wait(app, live, approval, pending).await;
    }
    if let Some(redeemed) = covering_grant(app, live, asks).await? {
        match decide(app, live, asked, &redeemed).await {
            Ok(Decided::Allowed(allowed)) => {
                return send_on(app, live, *allowed, manner, events).await;
            }
            Ok(Decided::Denied {
                decision,
                has_output_schema,
            }) => return Ok(refused(*decision, has_output_schema)),
            // Not covered after all, or used up in between: people are asked.
            Ok(Decided::Asks(_)) | Err(Failure::Conflict(_)) => {}
            Err(failure) => return Err(failure),
        }
    }
    match hold::open(app, live, asks).await {
        Ok(held) => {
            wait(
                app,
                live,
                held.approval,
                refused(held.decision, held.has_output_schema),
            )
            .await
        }
        Err(Failure::Conflict(message)) => {
            let decision = unavailable(app, &Failure::Conflict(message));
            Ok(refused(
                Decision {
                    reason: Reason::QuotaExceeded,
                    ..decision
                },
                asks.prepared.has_output_schema(),
            ))
        }
        Err(failure) => Err(failure),
    }
}

/// A grant of this task whose salient fields are those of the call.
async fn covering_grant(app: &Arc<App>, live: &Arc<Live>, asks: &Asks) -> Result<Option<Redeemed>, Failure> {
    let Operation::CallTool(tool) = &asks.prepared.call.operation else {
        return Ok(None);
    };
    let name = remit_core::tool::ToolRef {
        server: asks.prepared.call.server.clone(),
        tool: tool.clone(),
    };
    let (task, now) = (live.snapshot().task.id, app.clock.now());
    let (fingerprint, arguments) = (
        asks.prepared.call.fingerprint,
        asks.prepared.call.arguments.clone(),
    );
    let found = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let grants: Vec<Grant> = remit_store::grants::of_task(conn, task)?
                .into_iter()
                .map(|g| g.value)
                .collect();
            let Some(grant) = grants
                .into_iter()
                .find(|g| g.covers(&name, fingerprint, &arguments, now))
            else {
                return Ok(None);
            };
            let approval = remit_store::approvals::get(conn, grant.approval)?;
            Ok(approval.map(|approval| (grant, approval.value)))
        })
        .await?;
    Ok(found.map(|(grant, approval)| Redeemed::Grant {
        grant: Box::new(grant),
        approval: Box::new(approval),
    }))
}

/// What the agent is told while an approval that exists already still waits.
async fn pending_again(app: &Arc<App>, live: &Arc<Live>, approval: ApprovalId) -> Result<Answer, Failure> {
    let run = live.run().id;
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::approvals::get(conn, approval)?))
        .await?
        .filter(|stored| stored.approval.run == run);
    let Some(stored) = stored else {
        let message = format!("no approval `{approval}` belongs to this run");
        return Ok(refused(
            super::redeem::not_this_one(app, approval, &message)?,
            true,
        ));
    };
    let decision = Decision {
        id: DecisionId::fresh(app.clock.now(), &*app.entropy)?,
        effect: Effect::Hold,
        reason: Reason::ApprovalRequired,
        tier: stored.approval.requirement.tier,
        rules: stored.approval.rules.clone(),
        policy_version: String::new(),
        message: "this call still waits for a person".to_owned(),
        allowed_instead: Vec::new(),
        approval: Some(approval),
    };
    Ok(refused(decision, true))
}

/// Waits for people as long as the configuration says, then answers with what there is.
async fn wait(
    app: &Arc<App>,
    live: &Arc<Live>,
    approval: ApprovalId,
    pending: Answer,
) -> Result<Answer, Failure> {
    let mut room = app.rooms.enter(approval);
    let patience = app.config.hold.wait_ms().map_err(Failure::invalid)?;
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_millis(patience);
    let mut lifeline = live.lifeline();
    loop {
        room.mark_unchanged();
        match worth(app, live, approval).await {
            Ok(Worth::Answer { call, answer }) => {
                live.hand_over(call);
                return Ok(*answer);
            }
            Ok(Worth::Refused(decision)) => return Ok(refused(*decision, true)),
            Ok(Worth::Wait) => {}
            Err(Failure::NotFound(_)) => return Ok(pending),
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            changed = room.changed() => {
                if changed.is_err() {
                    return Ok(pending);
                }
            }
            _ = lifeline.gone() => {
                let decision = unavailable(app, &Failure::Conflict("the task ended while this call waited".to_owned()));
                return Ok(refused(Decision { reason: Reason::TaskEnded, approval: Some(approval), ..decision }, true));
            }
            () = tokio::time::sleep_until(deadline) => return Ok(pending),
        }
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
