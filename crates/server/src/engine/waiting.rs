//! Waiting: a call that people have to agree to, seen from the agent's request: is there a result already, does a grant
//! cover it, else a card is opened and the request waits for a while.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use remit_core::approval::{ApprovalState, Grant};
use remit_core::call::Operation;
use remit_core::decision::{Decision, Effect, Reason, Tier};
use remit_core::id::{ApprovalId, CallId};
use remit_core::json::Object;
use remit_core::limits::HOLD_WAIT_MS_DEFAULT;
use remit_core::tool::ToolRef;
use remit_egress::request::lookup::LOOKUP_FOR;
use remit_enforce::Cut;
use remit_gateway::ports::{Answer, Events};

use super::call::{Asked, Asks, Decided, Redeemed, decide, refuse_for, unavailable};
use super::decide::prepare;
use super::live::Live;
use super::port::{refused, send_on};
use super::redeem::{Worth, same_call, worth};
use super::send::Manner;
use super::{closing, hold};
use crate::app::{App, Failure};
use crate::egress::send::HTTP;

/// How long a request waits for the result of what people agreed to.
const UNDERWAY: Duration = Duration::from_millis(HOLD_WAIT_MS_DEFAULT);

/// Approvals looked through for the same request.
const CANDIDATES_MAX: usize = 64;

/// An answer, and the approved call whose kept result it is.
#[derive(Debug)]
pub(crate) struct Given {
    /// The answer.
    pub(crate) answer: Answer,
    /// The approval that was redeemed, and its call.
    pub(crate) redeemed: Option<(ApprovalId, CallId)>,
}

impl From<Answer> for Given {
    fn from(answer: Answer) -> Self {
        Self {
            answer,
            redeemed: None,
        }
    }
}

/// Policy asks for people: an approval may stand for the call already, a grant may cover it, else a new one is opened.
pub(crate) async fn ask_people(
    app: &Arc<App>,
    live: &Arc<Live>,
    asked: &Asked,
    manner: Manner,
    asks: &Asks,
    events: Events,
) -> Result<Given, Failure> {
    // First: a result that waits for the agent is handed over, never made a second time under a grant.
    if let Some(approval) = same_call(app, live, asks.prepared.digest).await? {
        return again(app, live, approval).await;
    }
    if asks.sign_in.is_none()
        && let Some(redeemed) = covering_grant(app, live, asks).await?
    {
        match decide(app, live, asked, &redeemed).await {
            Ok(Decided::Allowed(allowed)) => {
                return Ok(send_on(app, live, *allowed, manner, events).await?.into());
            }
            Ok(Decided::Denied {
                decision,
                has_output_schema,
            }) => return Ok(refused(*decision, has_output_schema).into()),
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
            let decision = refuse_for(app, live, &asks.prepared, Reason::QuotaExceeded, message).await?;
            Ok(refused(decision, asks.prepared.has_output_schema()).into())
        }
        Err(failure) => Err(failure),
    }
}

/// The approval of an identical call that waits for a login, or went on after one and whose result nobody has fetched yet.
/// Policy asks for nobody, so nothing else would find it before the call is made a second time.
pub(crate) async fn waited_for_login(
    app: &Arc<App>,
    live: &Arc<Live>,
    asked: &Asked,
) -> Result<Option<ApprovalId>, Failure> {
    // Cleared before it is looked: a hold that opens meanwhile sets it again.
    if !live.waited_for_login.swap(false, Ordering::SeqCst) {
        return Ok(None);
    }
    let task = live.snapshot().task.id;
    let any = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            for state in [
                ApprovalState::Pending,
                ApprovalState::Approved,
                ApprovalState::Spent,
            ] {
                let of_task = remit_store::approvals::of_task(conn, task, state)?;
                let waits = |rule: &String| rule.starts_with(hold::SIGN_IN);
                if of_task
                    .iter()
                    .any(|stored| stored.approval.rules.iter().any(waits))
                {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await?;
    if !any {
        return Ok(None);
    }
    live.waited_for_login.store(true, Ordering::SeqCst);
    let (operation, arguments) = (asked.operation.clone(), asked.arguments.clone());
    let prepared = prepare(&app.world(), &asked.server, operation, arguments, asked.proof);
    same_call(app, live, prepared.digest).await
}

/// The approval that the same request stands for, where its object was looked up when it was asked about: waiting, agreed to,
/// or done with a result nobody has fetched yet. `same` compares it with the arguments of a stored call; its digest would
/// not, for the object may be another by now.
pub(crate) async fn same_request(
    app: &Arc<App>,
    live: &Arc<Live>,
    tool: &ToolRef,
    same: impl Fn(&Object) -> bool,
) -> Result<Option<ApprovalId>, Failure> {
    let snapshot = live.snapshot();
    let (task, run, now, name) = (snapshot.task.id, snapshot.task.run, app.clock.now(), tool.clone());
    let mut candidates = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let mut found = Vec::new();
            for state in [
                ApprovalState::Pending,
                ApprovalState::Approved,
                ApprovalState::Spent,
            ] {
                for stored in remit_store::approvals::of_task(conn, task, state)? {
                    let approval = &stored.approval;
                    let mine = approval.run == run && approval.tool.as_ref() == Some(&name);
                    let counts = state == ApprovalState::Spent || now < approval.expires_at;
                    if mine && counts && !remit_store::results::is_delivered(conn, approval.call)? {
                        found.push(stored.value);
                    }
                }
            }
            Ok(found)
        })
        .await?;
    candidates.sort_by_key(|stored| std::cmp::Reverse(stored.approval.opened_at));
    for stored in candidates.iter().take(CANDIDATES_MAX) {
        if live.was_handed_over(stored.approval.call) {
            continue;
        }
        if let Some(call) = closing::stored_call(app, stored).await?
            && same(&call.arguments)
        {
            return Ok(Some(stored.approval.id));
        }
    }
    Ok(None)
}

/// Redeems an approval by reference. What a lookup was told is for the request it was made for, and for nobody's eyes.
pub(crate) async fn by_reference(
    app: &Arc<App>,
    live: &Arc<Live>,
    approval: ApprovalId,
) -> Result<Given, Failure> {
    let given = again(app, live, approval).await?;
    let Some((approval, _)) = given.redeemed else {
        return Ok(given);
    };
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::approvals::get(conn, approval)?))
        .await?;
    let stored = stored.map(|stored| stored.value);
    let call = match &stored {
        Some(stored) => closing::stored_call(app, stored).await?,
        None => None,
    };
    let of_system = matches!(&given.answer, Answer::Result(result) if result.contains_key(HTTP));
    let of = call
        .as_ref()
        .and_then(|call| call.arguments.get(LOOKUP_FOR)?.as_str());
    let Some(of) = of.filter(|_| of_system) else {
        return Ok(given);
    };
    let message = format!("this looked up what `{of}` is for, and stays here: make that request again");
    let reason = Reason::NotInspectable;
    let decision = closing::refuse(app, live, approval, stored.as_ref(), reason, &message).await?;
    Ok(refused(decision, true).into())
}

/// A grant of this task whose salient fields are those of the call.
async fn covering_grant(app: &Arc<App>, live: &Arc<Live>, asks: &Asks) -> Result<Option<Redeemed>, Failure> {
    let Operation::CallTool(tool) = &asks.prepared.call.operation else {
        return Ok(None);
    };
    let name = ToolRef {
        server: asks.prepared.call.server.clone(),
        tool: tool.clone(),
    };
    // Those of the tasks above count too, for what both allow; they die with those.
    let tasks: Vec<_> = live.snapshot().line().map(|task| task.id).collect();
    let now = app.clock.now();
    let (fingerprint, arguments) = (
        asks.prepared.call.fingerprint,
        asks.prepared.call.arguments.clone(),
    );
    let found = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let mut grants: Vec<Grant> = Vec::new();
            for task in tasks {
                let of_task = remit_store::grants::of_task(conn, task)?;
                grants.extend(of_task.into_iter().map(|g| g.value));
            }
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

/// Waits for an approval that exists already.
pub(crate) async fn again(app: &Arc<App>, live: &Arc<Live>, approval: ApprovalId) -> Result<Given, Failure> {
    let run = live.run().id;
    let (stored, opened) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let stored = remit_store::approvals::get(conn, approval)?.map(|stored| stored.value);
            Ok((stored, closing::opened_by(conn, approval)?))
        })
        .await?;
    let Some(stored) = stored.filter(|stored| stored.approval.run == run) else {
        let message = format!("no approval `{approval}` belongs to this run");
        let decision =
            closing::refuse(app, live, approval, None, Reason::ParameterViolation, &message).await?;
        return Ok(refused(decision, true).into());
    };
    let opened = opened.ok_or_else(|| {
        Failure::Unavailable(format!("the decision that opened `{approval}` is not recorded"))
    })?;
    let pending = Decision {
        effect: Effect::Hold,
        tier: stored.approval.requirement.tier,
        message: "this call still waits for a person".to_owned(),
        approval: Some(approval),
        ..opened
    };
    wait(app, live, approval, refused(pending, true)).await
}

/// Waits for people as long as the configuration says, then answers with what there is. What they agreed to has a while
/// of its own: nobody is asked any more, and the agent would only ask again.
async fn wait(
    app: &Arc<App>,
    live: &Arc<Live>,
    approval: ApprovalId,
    mut pending: Answer,
) -> Result<Given, Failure> {
    let mut approval = approval;
    let mut room = app.rooms.enter(approval);
    let patience = app.config.hold.wait_ms().map_err(Failure::invalid)?;
    let mut deadline = tokio::time::Instant::now() + Duration::from_millis(patience);
    let mut agreed = false;
    let mut lifeline = live.lifeline();
    loop {
        room.mark_unchanged();
        match worth(app, live, approval).await {
            Ok(Worth::Answer { call, answer }) => {
                return Ok(Given {
                    answer: *answer,
                    redeemed: Some((approval, call)),
                });
            }
            Ok(Worth::Refused(decision)) => return Ok(refused(*decision, true).into()),
            Ok(Worth::Again(instead)) => {
                approval = instead;
                room = app.rooms.enter(approval);
                continue;
            }
            Ok(Worth::Underway) if !agreed => {
                agreed = true;
                deadline = deadline.max(tokio::time::Instant::now() + UNDERWAY);
                if let Answer::Refused(refusal) = &mut pending {
                    "people agreed to this call, and it has no result yet"
                        .clone_into(&mut refusal.decision.message);
                }
            }
            Ok(Worth::Wait | Worth::Underway) => {}
            Err(Failure::NotFound(_)) => return Ok(pending.into()),
            Err(failure) => return Err(failure),
        }
        tokio::select! {
            changed = room.changed() => {
                if changed.is_err() {
                    return Ok(pending.into());
                }
            }
            cut = lifeline.gone() => return gone(app, live, approval, cut).await,
            () = tokio::time::sleep_until(deadline) => return Ok(pending.into()),
        }
    }
}

/// The authority went while a call waited: what the agent is told is a record of its own.
async fn gone(app: &Arc<App>, live: &Arc<Live>, approval: ApprovalId, cut: Cut) -> Result<Given, Failure> {
    let (reason, message) = match cut {
        Cut::Ended => (Reason::TaskEnded, "the task ended while this call waited"),
        Cut::Suspended => (
            Reason::TaskSuspended,
            "the task was suspended while this call waited: it waits on, redeem it when the task goes on",
        ),
        Cut::Shutdown => {
            let message = "Remit stops; this call waits on: redeem it when Remit is back";
            let decision = Decision {
                approval: Some(approval),
                tier: Tier::Never,
                ..unavailable(app, &Failure::Unavailable(message.to_owned()))
            };
            return Ok(refused(decision, true).into());
        }
    };
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::approvals::get(conn, approval)?))
        .await?;
    let stored = stored.map(|stored| stored.value);
    let decision = closing::refuse(app, live, approval, stored.as_ref(), reason, message).await?;
    Ok(refused(decision, true).into())
}
