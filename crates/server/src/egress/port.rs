//! The engine as the egress proxy knows it.

use std::future::Future;
use std::sync::Arc;

use remit_core::call::Operation;
use remit_core::confinement::Proof;
use remit_core::decision::{Decision, Reason};
use remit_core::destination::{Destination, DestinationKind};
use remit_core::digest::Digest;
use remit_core::id::ApprovalId;
use remit_core::json::Object;
use remit_core::name::Name;
use remit_egress::authority::Authority;
use remit_egress::ca::RunCa;
use remit_egress::describe::System;
use remit_egress::ports::{Answer, Asked as Request, AuthFailure, Engine, Refused, Session};
use remit_egress::refusal::Refusal;
use remit_gateway::ports::{Answer as Given, AuthFailure as McpAuthFailure, Era, Presented, Scheme};
use remit_upstream::CallOptions;
use tokio::sync::mpsc;

use super::attachment::Attachment;
use super::front::CONNECTION;
use super::lookup::{self, Asker, Looked};
use super::{idempotency, inject, send};
use crate::app::{App, Failure};
use crate::engine::call::{Asked, Decided, Redeemed, decide, deny_for, unavailable};
use crate::engine::cause::Cause;
use crate::engine::decide::Prepared;
use crate::engine::live::Live;
use crate::engine::send::Manner;
use crate::engine::uses::Weighed;
use crate::engine::{redeem, session, waiting};

/// The server in calls to hosts nobody registered.
pub const UNKNOWN: &str = "unknown-host";

/// The app behind the proxy's port.
#[derive(Clone, Debug)]
pub struct Port(pub Arc<App>);

impl Port {
    fn live(&self, session: &Session) -> Result<Arc<Live>, Failure> {
        let known = Arc::clone(&session.handle).downcast::<Live>();
        known.map_err(|_| Failure::Unavailable("the session is not one of ours".to_owned()))
    }

    pub(super) async fn supervised<F>(&self, work: F) -> Answer
    where
        F: Future<Output = Result<Answer, Failure>> + Send + 'static,
    {
        let done = self.0.background.spawn(work).await;
        let done =
            done.unwrap_or_else(|error| Err(Failure::Unavailable(format!("the request broke off: {error}"))));
        done.unwrap_or_else(|failure| Answer::Refused(Box::new(unavailable(&self.0, &failure))))
    }
}

/// A session of this run, proved like this.
fn session_of(live: Arc<Live>, proof: Proof) -> Session {
    let snapshot = live.snapshot();
    Session {
        task: snapshot.task.id,
        run: snapshot.task.run,
        proof,
        handle: live,
    }
}

impl Engine for Port {
    async fn authenticate(&self, token: Option<&str>) -> Result<Session, AuthFailure> {
        let refused = |failure| match failure {
            McpAuthFailure::Missing => AuthFailure::Missing,
            McpAuthFailure::TaskEnded(how) => AuthFailure::TaskEnded(how),
            McpAuthFailure::Unavailable(why) => AuthFailure::Unavailable(why),
            _ => AuthFailure::Unknown,
        };
        let live = session::authenticate(&self.0, token).await.map_err(refused)?;
        // Stock clients of a proxy have no way to show a key: a run bound to one goes through MCP, where it can.
        let presented = Presented {
            token: token.map(str::to_owned),
            scheme: Scheme::Bearer,
            dpop: None,
            method: String::new(),
            url: String::new(),
            connection: CONNECTION.try_with(Arc::clone).unwrap_or_default(),
        };
        let proof = crate::proofs::prove(&self.0, &live, &presented)
            .await
            .map_err(refused)?;
        let task = std::sync::Arc::clone(&live.snapshot().task);
        if task.life != remit_core::task::Life::default() {
            self.0.pulses.call(task.id, self.0.clock.boot());
        }
        Ok(session_of(live, proof))
    }

    fn system_at(&self, authority: &Authority) -> Option<Arc<System>> {
        let world = self.0.world();
        let known = world.registry.system_at(authority.host(), authority.port());
        known.cloned().or_else(|| {
            // What is observed is decided request by request; here only whether any is.
            let now = self.0.clock.now();
            let any = world.observed.values().any(|until| now < *until);
            let unknown = world.registry.unknown_hosts().filter(|_| any)?;
            super::unknown::at(unknown, authority)
        })
    }

    fn system(&self, name: &Name) -> Option<Arc<System>> {
        self.0.world().registry.server(name)?.system.clone()
    }

    fn barred(&self, session: &Session, system: &System) -> Option<Refusal> {
        let live = self.live(session).ok()?;
        let world = self.0.world();
        let entry = world.registry.server(&system.name)?;
        // What is observed is decided request by request.
        if world.observing.is_some() || super::reaches(&live, entry) {
            return None;
        }
        Some(Refusal {
            reason: Reason::OutOfAuthority,
            sentence: format!("the task allows nothing of `{}`", system.name),
        })
    }

    fn authority_of(&self, session: &Session) -> Result<Arc<RunCa>, String> {
        let live = self.live(session).map_err(|failure| failure.to_string())?;
        self.0.egress.authority(&self.0, &live)
    }

    async fn call(&self, session: &Session, request: Request) -> Answer {
        let (app, live) = (Arc::clone(&self.0), self.live(session));
        let proof = session.proof;
        self.supervised(async move { call(&app, &live?, request, proof, None).await })
            .await
    }

    async fn resume(&self, session: &Session, approval: ApprovalId) -> Answer {
        let (app, live) = (Arc::clone(&self.0), self.live(session));
        self.supervised(async move {
            let live = live?;
            let given = waiting::by_reference(&app, &live, approval).await?;
            Ok(given_to(&app, &live, given))
        })
        .await
    }

    async fn refuse(&self, session: &Session, refused: Refused) -> Box<Decision> {
        let (app, live) = (Arc::clone(&self.0), self.live(session));
        let proof = session.proof;
        let work = async move { refuse(&app, &live?, refused, proof, None).await };
        let done = self.0.background.spawn(work).await;
        let done = done.unwrap_or_else(|error| Err(Failure::Unavailable(error.to_string())));
        Box::new(done.unwrap_or_else(|failure| unavailable(&self.0, &failure)))
    }

    async fn gone(&self, session: &Session) {
        if let Ok(live) = self.live(session) {
            live.lifeline().gone().await;
        }
    }
}

/// One request: decided, and sent, held or refused.
pub(super) async fn call(
    app: &Arc<App>,
    live: &Arc<Live>,
    request: Request,
    proof: Proof,
    cause: Option<Arc<Cause>>,
) -> Result<Answer, Failure> {
    if let Err(refusal) = inject::judge(app, live.run().id, &request.system.name, &request.carried) {
        inject::note(app, live, &request.system.name, &request.carried).await?;
        let refused = Refused {
            system: Some(request.system.name.clone()),
            authority: Some(request.head.authority.clone()),
            request: format!("{} {}", request.head.method, request.head.target.path()),
            refusal,
        };
        return Ok(Answer::Refused(Box::new(
            refuse(app, live, refused, proof, cause).await?,
        )));
    }
    let asker = Asker {
        system: &request.system,
        carried: &request.carried,
        proof,
        cause: cause.as_ref(),
    };
    let mut reading = match lookup::look_up(app, live, asker, request.reading).await? {
        Looked::Known(reading) => reading,
        Looked::Answered(answer) => return Ok(answer),
    };
    let task = live.snapshot().task.id;
    idempotency::put(
        app,
        task,
        &request.system,
        &reading.operation,
        &mut reading.arguments,
    )
    .await?;
    let asked = Asked {
        server: request.system.name.clone(),
        operation: Operation::CallTool(reading.operation),
        arguments: reading.arguments,
        era: Era::Modern,
        proof,
        attachment: Some(Arc::new(Attachment {
            body: request.body,
            carried: request.carried,
        })),
        cause,
    };
    Ok(match made(app, live, &asked).await? {
        Answer::Refused(decision) => {
            let told = lookup::without_object(&asked.server, &asked.arguments, *decision);
            Answer::Refused(Box::new(told))
        }
        answer => answer,
    })
}

/// A request that is made canonical: decided, and sent, held or refused.
pub(super) async fn made(app: &Arc<App>, live: &Arc<Live>, asked: &Asked) -> Result<Answer, Failure> {
    if let Some(approval) = waiting::waited_for_login(app, live, asked).await? {
        let given = waiting::again(app, live, approval).await?;
        return Ok(given_to(app, live, given));
    }
    let mut decided = decide(app, live, asked, &Redeemed::Nothing).await?;
    if let Decided::Allowed(allowed) = decided {
        match send::stream(app, live, *allowed, false).await {
            // Not done, and decided anew: with other tokens it is sent, without any it waits for the person.
            Err(Failure::NeedsReauth(_)) => decided = decide(app, live, asked, &Redeemed::Nothing).await?,
            sent => return sent,
        }
    }
    match decided {
        Decided::Allowed(allowed) => send::stream(app, live, *allowed, true).await,
        Decided::Denied { decision, .. } => Ok(Answer::Refused(decision)),
        Decided::Asks(asks) => {
            let manner = Manner {
                era: Era::Modern,
                options: CallOptions::default(),
                keep: false,
            };
            // Nothing happens meanwhile that an HTTP client could be told of.
            let (events, _listener) = mpsc::channel(1);
            let given = waiting::ask_people(app, live, asked, manner, &asks, events).await?;
            Ok(given_to(app, live, given))
        }
    }
}

/// What people's answer came to, as HTTP.
pub(super) fn given_to(app: &Arc<App>, live: &Arc<Live>, given: waiting::Given) -> Answer {
    let answer = match given.answer {
        Given::Refused(refusal) => return Answer::Refused(Box::new(refusal.decision)),
        Given::Result(result) => send::give(&result),
        Given::UpstreamError { .. } => None,
    };
    if let Some((approval, call)) = given.redeemed {
        redeem::delivered(app, live, approval, call);
    }
    answer.unwrap_or_else(|| Answer::Failed {
        sentence: "the kept answer is not one of HTTP: redeem it over MCP".to_owned(),
        certain: false,
    })
}

/// Records a request that is refused by what it is.
pub(super) async fn refuse(
    app: &Arc<App>,
    live: &Arc<Live>,
    refused: Refused,
    proof: Proof,
    cause: Option<Arc<Cause>>,
) -> Result<Decision, Failure> {
    let server = match refused.system {
        Some(system) => system,
        None => UNKNOWN.parse().map_err(Failure::unavailable)?,
    };
    let operation = "refused".parse().map_err(Failure::unavailable)?;
    let mut arguments = Object::new();
    arguments.insert("request", refused.request);
    let mut call = remit_core::call::Call {
        server: server.clone(),
        server_identity: Digest::of(b""),
        operation: Operation::CallTool(operation),
        fingerprint: Digest::of(b""),
        arguments,
        resources: Vec::new(),
        destinations: Vec::new(),
        opaque: Vec::new(),
    };
    if let Some(authority) = &refused.authority {
        call.arguments.insert("host", authority.host());
        call.destinations
            .extend(Destination::new(DestinationKind::Host, authority.host()));
    }
    let prepared = Prepared {
        digest: call.digest(),
        entry: None,
        server: app.world().registry.server(&server).cloned(),
        weighed: Weighed::default(),
        salient: Vec::new(),
        proof,
        refused: None,
        cause,
        call,
    };
    deny_for(
        app,
        live,
        &prepared,
        refused.refusal.reason,
        refused.refusal.sentence,
    )
    .await
}
