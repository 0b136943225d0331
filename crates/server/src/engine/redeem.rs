//! Redeeming: an approved call is decided again with the real approval, sent at most once, and its result handed over.

use std::sync::Arc;

use remit_core::approval::ApprovalState;
use remit_core::decision::{Decision, Effect, Reason, Tier};
use remit_core::digest::Digest;
use remit_core::id::{ApprovalId, CallId, DecisionId};
use remit_gateway::ports::{Answer, Era};
use remit_store::approvals::StoredApproval;
use remit_store::calls::{CallState, StoredCall};
use remit_upstream::CallOptions;

use super::call::{Asked, Decided, Redeemed, decide};
use super::live::Live;
use super::send::{Manner, open_answer, send};
use super::{body, hold, record, session};
use crate::app::{App, Failure};

/// Approvals and calls looked through for one digest.
const LOOK_BACK: u32 = 16;

/// What an approval is worth to the agent right now.
#[derive(Debug)]
pub enum Worth {
    /// Nothing yet: people have not answered, or it is being executed.
    Wait,
    /// The result of its one execution.
    Answer {
        /// The call.
        call: CallId,
        /// The result.
        answer: Box<Answer>,
    },
    /// It will not happen.
    Refused(Box<Decision>),
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
        ApprovalState::Approved => Ok(Worth::Wait),
        ApprovalState::Spent => spent(app, live, &stored, call, sealed),
        _ => Ok(Worth::Refused(Box::new(hold::closed(app, &stored)?))),
    }
}

fn spent(
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
        Some(CallState::Open) => return Ok(Worth::Wait),
        Some(CallState::Indeterminate) => {
            "the approved call was sent, but its outcome is not known: it may or may not have happened; look at the state before asking again"
        }
        _ => "the approved call was used, and its result is not kept any more",
    };
    let mut decision = hold::closed(app, stored)?;
    decision.message = message.to_owned();
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
                if let Some(mine) =
                    mine.filter(|a| a.approval.state == ApprovalState::Spent || now < a.approval.expires_at)
                {
                    return Ok(Some((mine.approval.id, latest.id)));
                }
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
    let (stored, call) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let stored = remit_store::approvals::get(conn, approval)?
                .ok_or_else(|| Failure::NotFound(format!("no approval `{approval}`")))?;
            let call = remit_store::calls::get(conn, stored.approval.call)?;
            Ok((stored.value, call))
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
    let asked = Asked {
        server: call.server,
        operation: call.operation,
        arguments: call.arguments,
        era: Era::Modern,
    };
    let redeemed = Redeemed::Approval {
        approval: Box::new(stored.clone()),
        call: stored.approval.call,
    };
    match decide(app, &live, &asked, &redeemed).await? {
        Decided::Allowed(allowed) if allowed.prepared.digest == stored.approval.digest => {
            let manner = Manner {
                era: Era::Modern,
                options: CallOptions::default(),
                keep: true,
            };
            send(app, &live, *allowed, manner, None).await?;
        }
        Decided::Allowed(_) => cancel(app, &stored, "the tool changed since this was approved").await?,
        Decided::Asks(asks) => {
            let why = asks
                .hold
                .wider
                .as_ref()
                .map_or_else(|| asks.hold.message.clone(), ToString::to_string);
            cancel(app, &stored, &why).await?;
            hold::open(app, &live, &asks).await?;
        }
        Decided::Denied { decision, .. } if decision.reason == Reason::Unavailable => {
            return Err(Failure::Unavailable(decision.message));
        }
        Decided::Denied { decision, .. } => cancel(app, &stored, &decision.message).await?,
    }
    app.rooms.ring(approval);
    Ok(())
}

async fn cancel(app: &Arc<App>, stored: &StoredApproval, why: &str) -> Result<(), Failure> {
    let id = stored.approval.id;
    let call = stored.approval.call;
    let mut entry = record::of("approval.cancelled");
    entry.approval = Some(id.to_string());
    entry.task = Some(stored.approval.task.to_string());
    entry.detail.insert("why", why);
    app.store
        .append(entry, move |tx| {
            if let Some(mut stored) = remit_store::approvals::get(tx, id)?
                && !stored.approval.state.is_final()
            {
                stored.approval.state = ApprovalState::Cancelled;
                remit_store::approvals::put(tx, &stored)?;
                remit_store::calls::finish(tx, call, CallState::Dropped)?;
            }
            Ok(())
        })
        .await?;
    app.rooms.ring(id);
    Ok(())
}

/// What an agent is told when its approval cannot be redeemed by this request.
///
/// # Errors
/// Without randomness a decision has no id.
pub fn not_this_one(app: &App, approval: ApprovalId, message: &str) -> Result<Decision, Failure> {
    Ok(Decision {
        id: DecisionId::fresh(app.clock.now(), &*app.entropy)?,
        effect: Effect::Deny,
        reason: Reason::ParameterViolation,
        tier: Tier::Never,
        rules: Vec::new(),
        policy_version: String::new(),
        message: message.to_owned(),
        allowed_instead: Vec::new(),
        approval: Some(approval),
    })
}
