//! The engine as a contained server's way out knows it: who asks is not a token but the calls that are under way there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use remit_core::decision::{Decision, Effect};
use remit_core::id::{ApprovalId, TaskId};
use remit_core::json::Object;
use remit_core::name::Name;
use remit_egress::authority::Authority;
use remit_egress::ca::RunCa;
use remit_egress::describe::System;
use remit_egress::ports::{Answer, Asked, AuthFailure, Engine, Refused, Session};
use remit_egress::refusal::Refusal;
use remit_enforce::Lifeline;

use super::port::{self, Port};
use super::together::{self, Party};
use crate::app::{App, Failure};
use crate::engine::call::unavailable;
use crate::engine::cause::{Cause, LiveCall, UnderWay};
use crate::findings::{self, Found};

/// The app behind the way out of one server.
pub(super) struct Contained {
    pub(super) app: Arc<App>,
    pub(super) server: Name,
    /// The task it was started for; none where it serves several.
    pub(super) task: Option<TaskId>,
    pub(super) under_way: Arc<UnderWay>,
    pub(super) ca: Arc<RunCa>,
    /// Requests that were refused so far.
    pub(super) refused: AtomicU32,
}

/// Refused requests after which a server is heard no more until it is started again: each is a record.
const REFUSED_MAX: u32 = 256;

/// What a request is made for.
struct Occasion {
    /// At least one.
    parties: Vec<Party>,
    cause: Arc<Cause>,
}

impl Contained {
    /// The calls a request could be for: at least one.
    async fn calls(&self) -> Result<Vec<Arc<LiveCall>>, AuthFailure> {
        if self.refused.load(Ordering::Relaxed) >= REFUSED_MAX {
            let sentence =
                "has asked too much that was refused, and is heard no more until it is started again";
            return Err(self.uncaused(sentence).await);
        }
        let calls = self.under_way.all();
        if calls.is_empty() {
            return Err(self
                .uncaused("asked the network while no call to it was under way")
                .await);
        }
        Ok(calls)
    }

    /// What these calls make of a request.
    fn occasion_of(&self, calls: Vec<Arc<LiveCall>>) -> Occasion {
        Occasion {
            parties: together::parties(&calls),
            cause: Arc::new(Cause::new(self.server.clone(), calls)),
        }
    }

    /// As a session knew it, and what came under way while its request was read: a server may take its time with one.
    fn grown(&self, occasion: &Occasion) -> Occasion {
        let mut calls = occasion.cause.calls.clone();
        let now = self.under_way.all();
        calls.extend(
            now.into_iter()
                .filter(|call| occasion.cause.calls.iter().all(|known| known.id != call.id)),
        );
        self.occasion_of(calls)
    }

    /// Records that nobody can be named for a request.
    async fn uncaused(&self, sentence: &str) -> AuthFailure {
        let task = self.task;
        let message = format!("server `{}` {sentence}", self.server);
        let live = task.and_then(|task| self.app.live.by_task(task));
        let mut detail = Object::new();
        detail.insert("server", self.server.as_str());
        let found = Found {
            kind: "request_without_call",
            live: live.as_deref(),
            parties: format!(
                "{} {}",
                self.server,
                task.map(|task| task.to_string()).unwrap_or_default()
            ),
            message: message.clone(),
            detail,
        };
        match findings::keep(&self.app, found).await {
            Ok(()) => AuthFailure::Uncaused(message),
            Err(failure) => AuthFailure::Unavailable(failure.to_string()),
        }
    }

    fn occasion(session: &Session) -> Result<Arc<Occasion>, Failure> {
        let known = Arc::clone(&session.handle).downcast::<Occasion>();
        known.map_err(|_| Failure::Unavailable("the session is not one of ours".to_owned()))
    }
}

impl Engine for Contained {
    async fn authenticate(&self, _: Option<&str>) -> Result<Session, AuthFailure> {
        let occasion = self.occasion_of(self.calls().await?);
        let first = occasion
            .parties
            .first()
            .ok_or_else(|| AuthFailure::Uncaused("no call is under way".to_owned()))?;
        let snapshot = first.live.snapshot();
        Ok(Session {
            task: snapshot.task.id,
            run: snapshot.task.run,
            proof: first.proof,
            handle: Arc::new(occasion),
        })
    }

    fn system_at(&self, authority: &Authority) -> Option<Arc<System>> {
        // Hosts nobody registered are observed for agents, never for the servers they call.
        let world = self.app.world();
        world
            .registry
            .system_at(authority.host(), authority.port())
            .cloned()
    }

    fn system(&self, name: &Name) -> Option<Arc<System>> {
        Port(Arc::clone(&self.app)).system(name)
    }

    fn barred(&self, _: &Session, _: &System) -> Option<Refusal> {
        // Its authority is for every system, and what is asked inside the tunnel is refused with all that is known of it.
        None
    }

    fn authority_of(&self, _: &Session) -> Result<Arc<RunCa>, String> {
        Ok(Arc::clone(&self.ca))
    }

    async fn call(&self, session: &Session, asked: Asked) -> Answer {
        let app = Arc::clone(&self.app);
        let occasion = Self::occasion(session).map(|occasion| self.grown(&occasion));
        let work = async move {
            let Occasion { parties, cause } = occasion?;
            match parties.as_slice() {
                [one] => port::call(&app, &one.live, asked, one.proof, Some(cause)).await,
                several => together::call(&app, several, asked, cause).await,
            }
        };
        let answer = Port(Arc::clone(&self.app)).supervised(work).await;
        if matches!(answer, Answer::Refused(_)) {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        match answer {
            // A server knows nothing of holds: an answer of the kind 2xx would tell it that it was done.
            Answer::Refused(decision) if decision.effect == Effect::Hold => {
                Answer::Refused(Box::new(Decision {
                    effect: Effect::Deny,
                    ..*decision
                }))
            }
            answer => answer,
        }
    }

    async fn resume(&self, _: &Session, _: ApprovalId) -> Answer {
        Answer::Failed {
            sentence: "what waits for a person is fetched by the agent, not by a server".to_owned(),
            certain: true,
        }
    }

    async fn refuse(&self, session: &Session, refused: Refused) -> Box<Decision> {
        let (app, occasion) = (Arc::clone(&self.app), Self::occasion(session));
        self.refused.fetch_add(1, Ordering::Relaxed);
        let work = async move {
            let occasion = occasion?;
            together::refuse(&app, &occasion.parties, refused, &occasion.cause).await
        };
        let done = self.app.background.spawn(work).await;
        let done = done.unwrap_or_else(|error| Err(Failure::Unavailable(error.to_string())));
        Box::new(done.unwrap_or_else(|failure| unavailable(&self.app, &failure)))
    }

    async fn gone(&self, session: &Session) {
        let Ok(occasion) = Self::occasion(session) else {
            return;
        };
        let lines = occasion.parties.iter().map(|party| party.live.lifeline());
        if let Some(mut line) = lines.reduce(Lifeline::and) {
            line.gone().await;
        }
    }
}
