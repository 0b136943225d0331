//! A request of a server that tasks share, made while calls of several of them are under way: nobody can tell for which it
//! is, so it is under what they have in common. Each task decides it and records that; each has to allow it; it is sent
//! once, with one permit that is over when the first of them ends; and each gets its outcome.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::call::Operation;
use remit_core::confinement::Proof;
use remit_core::decision::{Decision, Reason};
use remit_core::id::TaskId;
use remit_core::name::Name;
use remit_egress::ports::{Answer, Asked as Request, Refused};
use remit_egress::refusal::Refusal;
use remit_enforce::Permitted;
use remit_gateway::ports::Era;
use remit_store::calls::CallState;

use super::attachment::Attachment;
use super::{idempotency, inject, port, send};
use crate::app::{App, Failure};
use crate::broker;
use crate::engine::budgets::Taken;
use crate::engine::call::{Allowed, Alongside, Asked, Asks, Decided, Redeemed, decide, refuse_for};
use crate::engine::cause::{self, Cause, LiveCall};
use crate::engine::live::Live;
use crate::engine::record;

/// A task with calls under way at the server.
#[derive(Clone, Debug)]
pub(super) struct Party {
    pub(super) live: Arc<Live>,
    /// As the weakest of its calls proved its run.
    pub(super) proof: Proof,
}

/// The tasks of these calls, in the order of their ids: the same ones ask in the same order.
pub(super) fn parties(calls: &[Arc<LiveCall>]) -> Vec<Party> {
    let mut parties: BTreeMap<TaskId, Party> = BTreeMap::new();
    for call in calls {
        let party = parties
            .entry(call.live.snapshot().task.id)
            .or_insert_with(|| Party {
                live: Arc::clone(&call.live),
                proof: call.proof,
            });
        party.proof = party.proof.min(call.proof);
    }
    parties.into_values().collect()
}

/// What one task allowed, until it is sent or given up.
struct Part {
    of: Alongside,
    taken: Vec<Taken>,
}

/// One request, decided by each of `parties` and sent once, or refused.
pub(super) async fn call(
    app: &Arc<App>,
    parties: &[Party],
    request: Request,
    cause: Arc<Cause>,
) -> Result<Answer, Failure> {
    let Some(first) = parties.first() else {
        return Err(Failure::Unavailable("no task asks for it".to_owned()));
    };
    let system = request.system.name.clone();
    let (carried, secrets) = match common(app, parties, &request, &cause) {
        Ok(common) => common,
        Err(refusal) => {
            note(app, parties, &request).await?;
            let refused = Refused {
                system: Some(system),
                authority: Some(request.head.authority.clone()),
                request: format!("{} {}", request.head.method, request.head.target.path()),
                refusal,
            };
            return Ok(Answer::Refused(Box::new(
                refuse(app, parties, refused, &cause).await?,
            )));
        }
    };
    let mut reading = request.reading;
    idempotency::put(
        app,
        first.live.snapshot().task.id,
        &request.system,
        &reading.operation,
        &mut reading.arguments,
    )
    .await?;
    let mut asked = Asked {
        server: system.clone(),
        operation: Operation::CallTool(reading.operation),
        arguments: reading.arguments,
        era: Era::Modern,
        proof: first.proof,
        attachment: Some(Arc::new(Attachment {
            body: request.body,
            carried,
        })),
        cause: Some(cause),
    };
    let mut permits: Vec<Permitted<_>> = Vec::new();
    let mut parts: Vec<Part> = Vec::new();
    for party in parties {
        asked.proof = party.proof;
        let refused = match decide(app, &party.live, &asked, &Redeemed::Nothing).await {
            Ok(Decided::Allowed(allowed)) => {
                let Allowed {
                    permitted,
                    call,
                    boarded,
                    decision,
                    lane,
                    prepared,
                    taken,
                    ..
                } = *allowed;
                permits.push(permitted);
                let of = Alongside {
                    live: Arc::clone(&party.live),
                    call,
                    boarded,
                    decision,
                    lane,
                    prepared,
                };
                parts.push(Part { of, taken });
                continue;
            }
            Ok(Decided::Denied { decision, .. }) => Ok(*decision),
            Ok(Decided::Asks(asks)) => held(app, party, &asks).await,
            Err(failure) => Err(failure),
        };
        let task = party.live.snapshot().task.id;
        let why = match &refused {
            Ok(decision) => format!("task {task} did not allow it: {}", decision.reason.as_str()),
            Err(failure) => format!("task {task} gave no verdict: {failure}"),
        };
        give_up(app, &parts, &why).await?;
        // What one task could do instead is nothing to the others.
        return refused.map(|decision| {
            Answer::Refused(Box::new(Decision {
                allowed_instead: Vec::new(),
                ..decision
            }))
        });
    }
    // Who uses a secret has its lease, and it ends with them.
    for party in parties {
        for secret in &secrets {
            if let Err(failure) = broker::lease_of_secret(app, &party.live, &system, secret).await {
                give_up(app, &parts, &failure.to_string()).await?;
                return Err(Failure::Unavailable(failure.to_string()));
            }
        }
    }
    let mut permits = permits.into_iter();
    let one = permits
        .next()
        .map(|one| app.mint.together(one, permits.collect()));
    let permitted = match one {
        Some(Ok(permitted)) => permitted,
        Some(Err(mismatch)) => {
            give_up(app, &parts, &mismatch.to_string()).await?;
            return Err(Failure::Unavailable(
                "what was asked changed while it was decided: try again".to_owned(),
            ));
        }
        None => return Err(Failure::Unavailable("no task allowed it".to_owned())),
    };
    let mut parts = parts.into_iter();
    let Some(Part { of, taken }) = parts.next() else {
        return Err(Failure::Unavailable("no task allowed it".to_owned()));
    };
    let allowed = Allowed {
        permitted,
        call: of.call,
        boarded: of.boarded,
        decision: of.decision,
        lane: of.lane,
        prepared: of.prepared,
        attachment: asked.attachment,
        taken,
        with: parts.map(|part| part.of).collect(),
    };
    send::stream(app, &first.live, allowed, true).await
}

/// What the request carries, for all of them: secrets of the system, whoever's placeholder stands there. What was made for
/// one task is not used for the others.
fn common(
    app: &App,
    parties: &[Party],
    request: &Request,
    cause: &Cause,
) -> Result<(Vec<remit_egress::request::carried::Carried>, Vec<Name>), Refusal> {
    let system = &request.system.name;
    let several = format!(
        "calls of several tasks are under way at server `{}`, and nothing of one task is used for the others",
        cause.server
    );
    let world = app.world();
    let mints = world
        .registry
        .server(system)
        .and_then(|entry| entry.tools.get(&request.reading.operation))
        .is_some_and(|tool| tool.tool.classification.marks.mints);
    if mints {
        return Err(Refusal {
            reason: Reason::OutOfAuthority,
            sentence: format!("what it returns is a credential of one task: {several}"),
        });
    }
    if request.reading.lookup.is_some() {
        return Err(Refusal::opaque(format!(
            "what it names by an id would be looked up for one task: {several}"
        )));
    }
    let (mut carried, mut secrets) = (Vec::new(), Vec::new());
    for one in &request.carried {
        let judged = |party: &Party| {
            inject::judge(app, party.live.run().id, system, std::slice::from_ref(one))
                .map(|()| party.live.run().id)
        };
        let mut runs = parties.iter().map(judged);
        let run = match runs.next() {
            Some(Err(refusal)) => runs.find_map(Result::ok).ok_or(refusal)?,
            Some(Ok(run)) => run,
            None => continue,
        };
        let secret = broker::resolve(app, run, system, &one.value)
            .filter(|secret| !broker::is_made_per_task(app, secret, system));
        let Some(secret) = secret else {
            return Err(Refusal {
                reason: Reason::ForeignCredential,
                sentence: format!("the request carries a credential that was made for one task: {several}"),
            });
        };
        let mut one = one.clone();
        if let Some(first) = parties.first() {
            one.value = broker::placeholder(app, first.live.run().id, &secret);
        }
        carried.push(one);
        secrets.push(secret);
    }
    Ok((carried, secrets))
}

/// Keeps what is wrong with a request's credentials: of one that is right for nobody, under the task whose decoy it is.
async fn note(app: &Arc<App>, parties: &[Party], request: &Request) -> Result<(), Failure> {
    let system = &request.system.name;
    for one in &request.carried {
        let is_right = |party: &Party| {
            let run = party.live.run().id;
            inject::judge(app, run, system, std::slice::from_ref(one)).is_ok()
        };
        let is_decoy = |party: &&Party| one.value == broker::decoy(app, party.live.run().id);
        if parties.iter().any(is_right) {
            continue;
        }
        if let Some(party) = parties.iter().find(is_decoy).or_else(|| parties.first()) {
            inject::note(app, &party.live, system, std::slice::from_ref(one)).await?;
        }
    }
    Ok(())
}

/// Records a refusal in each task; the first one is the answer.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub(super) async fn refuse(
    app: &Arc<App>,
    parties: &[Party],
    refused: Refused,
    cause: &Arc<Cause>,
) -> Result<Decision, Failure> {
    let mut answer = None;
    for party in parties {
        let cause = Some(Arc::clone(cause));
        let decision = port::refuse(app, &party.live, refused.clone(), party.proof, cause).await?;
        answer.get_or_insert(decision);
    }
    answer.ok_or_else(|| Failure::Unavailable("no task asks for it".to_owned()))
}

/// One of them would ask people. They would agree to it for their task alone, so they are not asked.
async fn held(app: &Arc<App>, party: &Party, asks: &Asks) -> Result<Decision, Failure> {
    let reason = if asks.sign_in.is_some() {
        Reason::NeedsReauth
    } else {
        Reason::ApprovalRequired
    };
    let message = format!(
        "{}; nobody is asked while calls of several tasks are under way at the server that asks for it",
        asks.hold.message
    );
    refuse_for(app, &party.live, &asks.prepared, reason, message).await
}

/// What some allowed and another did not is not sent: their decisions get that outcome, and their budgets what it took.
async fn give_up(app: &Arc<App>, parts: &[Part], why: &str) -> Result<(), Failure> {
    for Part { of, taken } in parts {
        let mut entry = record::of_live("outcome", &of.live);
        record::about_call(
            &mut entry,
            &of.prepared.call,
            of.prepared.classification().map(|class| class.class.as_str()),
        );
        entry.proof = Some(of.prepared.proof.as_str().to_owned());
        entry.lane = Some(of.lane.to_owned());
        entry.decision_id = Some(of.decision.id.to_string());
        entry.outcome = Some("failed".to_owned());
        entry.detail.insert("call", of.call.to_string());
        entry.detail.insert("why", format!("not sent: {why}"));
        cause::record(&mut entry, of.prepared.cause.as_deref());
        let (call, taken) = (of.call, taken.clone());
        app.store
            .append(entry, move |tx| {
                for take in &taken {
                    remit_store::budgets::give_back(tx, take.task, &take.budget, take.amount)?;
                }
                remit_store::calls::finish(tx, call, CallState::Failed)
            })
            .await?;
    }
    Ok(())
}
