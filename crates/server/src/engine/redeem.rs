//! Redeeming: an approved call is decided again with the real approval, sent at most once, and its result handed over.

use std::sync::Arc;

use remit_core::approval::ApprovalState;
use remit_core::decision::{Decision, Effect, Reason};
use remit_core::digest::Digest;
use remit_core::id::{ApprovalId, CallId};
use remit_gateway::ports::{Answer, Era};
use remit_store::approvals::StoredApproval;
use remit_store::calls::{CallState, StoredCall};
use remit_upstream::CallOptions;

use super::call::{Asked, Decided, Redeemed, decide};
use super::cause::Cause;
use super::closing::Closing;
use super::decide::prepare;
use super::live::Live;
use super::send::{Manner, open_answer, send};
use super::{body, closing, hold, record, session};
use crate::app::{App, Failure};
use crate::egress::idempotency::Settled;

/// Approvals and calls looked through for one digest.
const LOOK_BACK: u32 = 16;

/// What an approval is worth to the agent right now.
#[derive(Debug)]
pub enum Worth {
    /// Nothing yet: people have not answered.
    Wait,
    /// People agreed, and it is being executed.
    Underway,
    /// The result of its one execution.
    Answer {
        /// The call.
        call: CallId,
        /// The result.
        answer: Box<Answer>,
    },
    /// It will not happen.
    Refused(Box<Decision>),
    /// People are asked again, by another approval.
    Again(ApprovalId),
}

/// What an approval is worth to this run.
///
/// # Errors
/// [`Failure::NotFound`] when it is not one of this run.
pub async fn worth(app: &Arc<App>, live: &Arc<Live>, approval: ApprovalId) -> Result<Worth, Failure> {
    let run = live.run().id;
    let (stored, call, sealed) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let stored = remit_store::approvals::get(conn, approval)?.filter(|a| a.approval.run == run);
            let stored =
                stored.ok_or_else(|| Failure::NotFound(format!("no approval `{approval}` of this run")))?;
            let call = remit_store::calls::get(conn, stored.approval.call)?;
            let sealed = remit_store::results::get(conn, stored.approval.call, run)?;
            Ok((stored.value, call, sealed))
        })
        .await?;
    match stored.approval.state {
        ApprovalState::Pending if app.clock.now() < stored.approval.expires_at => Ok(Worth::Wait),
        ApprovalState::Approved => Ok(Worth::Underway),
        ApprovalState::Spent => spent(app, live, &stored, call, sealed).await,
        ApprovalState::Pending => {
            closing::expire(app, &stored).await?;
            ended(app, live, approval, stored.approval.call).await
        }
        _ => ended(app, live, approval, stored.approval.call).await,
    }
}

/// What was recorded when an approval ended without its call.
async fn ended(
    app: &Arc<App>,
    live: &Arc<Live>,
    approval: ApprovalId,
    call: CallId,
) -> Result<Worth, Failure> {
    let (stored, recorded) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let stored = remit_store::approvals::get(conn, approval)?.map(|stored| stored.value);
            let call = remit_store::calls::get(conn, call)?;
            let recorded = match &call {
                Some(call) => closing::recorded(conn, call.decision)?,
                None => None,
            };
            Ok((stored, recorded))
        })
        .await?;
    if stored
        .as_ref()
        .is_some_and(|stored| !stored.approval.state.is_final())
    {
        // A yes was faster than the end of its window.
        return Ok(Worth::Wait);
    }
    match recorded {
        Some((_, Some(again))) => Ok(Worth::Again(again)),
        Some((decision, None)) if decision.effect == Effect::Deny => {
            let decision = Decision {
                approval: Some(approval),
                ..decision
            };
            Ok(Worth::Refused(Box::new(decision)))
        }
        // It went with its task, in the record of the task's end.
        _ => {
            let message = "this approval was cancelled: its task ended";
            let decision =
                closing::refuse(app, live, approval, stored.as_ref(), Reason::TaskEnded, message).await?;
            Ok(Worth::Refused(Box::new(decision)))
        }
    }
}

async fn spent(
    app: &Arc<App>,
    live: &Arc<Live>,
    stored: &StoredApproval,
    call: Option<StoredCall>,
    sealed: Option<Vec<u8>>,
) -> Result<Worth, Failure> {
    if let Some(sealed) = sealed {
        let call = stored.approval.call;
        let answer = open_answer(app, live, call, &sealed)?;
        return Ok(Worth::Answer {
            call,
            answer: Box::new(answer),
        });
    }
    let message = match call.map(|call| call.state) {
        Some(CallState::Open) => return Ok(Worth::Underway),
        Some(CallState::Indeterminate) => {
            "the approved call was sent, but its outcome is not known: it may or may not have happened; look at the state before asking again"
        }
        _ => "the approved call was used, and its result is not kept any more",
    };
    let reason = Reason::DuplicateSuppressed;
    let decision = closing::refuse(app, live, stored.approval.id, Some(stored), reason, message).await?;
    Ok(Worth::Refused(Box::new(decision)))
}

/// The approval an identical call stands for: pending, approved, or spent with a result nobody has fetched yet.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn same_call(
    app: &Arc<App>,
    live: &Arc<Live>,
    digest: Digest,
) -> Result<Option<ApprovalId>, Failure> {
    let snapshot = live.snapshot();
    let (task, run) = (snapshot.task.id, snapshot.task.run);
    let now = app.clock.now();
    let found = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let calls = remit_store::calls::with_digest(conn, run, digest, LOOK_BACK)?;
            let Some(latest) = calls.into_iter().next() else {
                return Ok(None);
            };
            for state in [
                ApprovalState::Pending,
                ApprovalState::Approved,
                ApprovalState::Spent,
            ] {
                let of_task = remit_store::approvals::of_task(conn, task, state)?;
                let mine = of_task
                    .into_iter()
                    .rfind(|a| a.approval.call == latest.id && a.approval.run == run);
                let Some(mine) =
                    mine.filter(|a| a.approval.state == ApprovalState::Spent || now < a.approval.expires_at)
                else {
                    continue;
                };
                if remit_store::results::is_delivered(conn, latest.id)? {
                    return Ok(None);
                }
                return Ok(Some((mine.approval.id, latest.id)));
            }
            Ok(None)
        })
        .await?;
    Ok(found
        .filter(|(_, call)| !live.was_handed_over(*call))
        .map(|(approval, _)| approval))
}

/// Executes an approved call; at most once, whoever asks, however often.
///
/// # Errors
/// [`Failure`] when it cannot be decided or recorded; it stays approved then, and is tried again when it is redeemed.
pub async fn execute(app: &Arc<App>, approval: ApprovalId) -> Result<(), Failure> {
    let (stored, call, opening) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let stored = remit_store::approvals::get(conn, approval)?
                .ok_or_else(|| Failure::NotFound(format!("no approval `{approval}`")))?;
            let call = remit_store::calls::get(conn, stored.approval.call)?;
            let opening = closing::opening(conn, approval)?;
            Ok((stored.value, call, opening))
        })
        .await?;
    if stored.approval.state != ApprovalState::Approved {
        return Ok(());
    }
    let live = session::of_task(app, stored.approval.task).await?;
    let sealed = call.as_ref().and_then(|call| call.body.as_deref());
    let sealed = sealed.ok_or_else(|| Failure::Unavailable("the stored call is gone".to_owned()))?;
    let call = body::open(app, stored.approval.task, stored.approval.call, sealed)?;
    if call.digest() != stored.approval.digest {
        return Err(Failure::Unavailable(
            "the stored call is not the one that was approved".to_owned(),
        ));
    }
    if stored.approval.expires_at <= app.clock.now() {
        return closing::expire(app, &stored).await;
    }
    let asked = Asked {
        server: call.server,
        operation: call.operation,
        arguments: call.arguments,
        era: Era::Modern,
        // Nobody asks now: what counts is how the one who asked proved the run.
        proof: stored.approval.proof,
        attachment: crate::egress::attachment::load(app, &stored).await?,
        // Who asked for it is told by what is sent, too.
        cause: opening.as_ref().and_then(Cause::recorded).map(Arc::new),
    };
    let now = prepare(
        &app.world(),
        &asked.server,
        asked.operation.clone(),
        asked.arguments.clone(),
        asked.proof,
    );
    if now.digest != stored.approval.digest {
        let closing = Closing {
            state: ApprovalState::Cancelled,
            reason: Reason::ToolChanged,
            message: "the tool changed since this call was approved: ask again".to_owned(),
        };
        return closing::end(app, "approval.cancelled", &stored, closing, None).await;
    }
    let redeemed = Redeemed::Approval {
        approval: Box::new(stored.clone()),
        call: stored.approval.call,
    };
    match decide(app, &live, &asked, &redeemed).await? {
        Decided::Allowed(allowed) => {
            let manner = Manner {
                era: Era::Modern,
                options: CallOptions::default(),
                keep: true,
            };
            send(app, &live, *allowed, manner, None).await?;
        }
        Decided::Asks(asks) => {
            let why = asks
                .hold
                .wider
                .as_ref()
                .map_or_else(|| asks.hold.message.clone(), ToString::to_string);
            let again = hold::open(app, &live, &asks).await?;
            let closing = Closing {
                state: ApprovalState::Cancelled,
                reason: Reason::StaleState,
                message: format!("people are asked again as {}: {why}", again.approval),
            };
            closing::end(app, "approval.cancelled", &stored, closing, Some(again.approval)).await?;
        }
        Decided::Denied { decision, .. } if decision.reason == Reason::Unavailable => {
            return Err(Failure::Unavailable(decision.message));
        }
        Decided::Denied { decision, .. } => closing::end_by(app, &stored, &decision).await?,
    }
    app.rooms.ring(approval);
    Ok(())
}

/// Remembers, in this process at once and in the store soon, that the result of an approved call was handed to the
/// gateway. Until it is durable the identical call still finds the result: after a crash it is answered once more, and
/// never runs.
pub fn delivered(app: &Arc<App>, live: &Arc<Live>, approval: ApprovalId, call: CallId) {
    if !live.hand_over(call) {
        return;
    }
    let (app, live) = (Arc::clone(app), Arc::clone(live));
    let supervised = Arc::clone(&app);
    supervised.background.spawn(async move {
        if let Err(failure) = keep_delivered(&app, &live, approval, call).await {
            tracing::warn!(%approval, %failure, "it could not be recorded that a result reached its agent");
        }
    });
}

async fn keep_delivered(
    app: &Arc<App>,
    live: &Live,
    approval: ApprovalId,
    call: CallId,
) -> Result<(), Failure> {
    let run = live.run().id;
    let (known, stored, sealed) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let known = remit_store::results::is_delivered(conn, call)?;
            let sealed = remit_store::results::get(conn, call, run)?;
            Ok((known, remit_store::calls::get(conn, call)?, sealed))
        })
        .await?;
    if known {
        return Ok(());
    }
    let mut entry = record::of_live("approval.redeemed", live);
    entry.approval = Some(approval.to_string());
    entry.decision_id = stored.as_ref().map(|stored| stored.decision.to_string());
    entry.digest = stored.as_ref().map(|stored| stored.digest);
    entry.detail.insert("call", call.to_string());
    let settled = stored
        .as_ref()
        .zip(sealed)
        .and_then(|(stored, sealed)| Settled::of_kept(app, live, stored, &sealed));
    app.store
        .append(entry, move |tx| {
            if let Some(settled) = &settled {
                settled.apply(tx)?;
            }
            remit_store::results::deliver(tx, call)
        })
        .await?;
    Ok(())
}
