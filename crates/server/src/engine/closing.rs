//! Closing: how an approval ends without a call. The denial the agent hears is a record: joined with what ended the
//! approval in one append, and told to the agent as it was recorded.

use std::sync::Arc;

use remit_core::approval::ApprovalState;
use remit_core::call::Call;
use remit_core::decision::{Decision, Effect, Reason, Tier};
use remit_core::id::{ApprovalId, DecisionId};
use remit_ledger::record::Record;
use remit_store::approvals::StoredApproval;
use remit_store::records::{self, Key};
use remit_store::{AppendError, ApplyError, Conn, Refused, Tx};

use super::live::Live;
use super::{body, record, session};
use crate::app::{App, Failure};

/// Member of `detail`: the approval that asks again in place of this one.
pub const AGAIN: &str = "again";

/// Records about one approval that are looked through for the decision that opened it.
const OPENING: u32 = 4;

/// Why an approval ends without a call.
#[derive(Clone, Debug)]
pub struct Closing {
    /// The state it ends in.
    pub state: ApprovalState,
    /// The reason the agent gets.
    pub reason: Reason,
    /// The sentence the agent gets.
    pub message: String,
}

/// The decision that closes an approval, and the record of `kind` that carries it.
///
/// # Errors
/// [`Failure::Unavailable`] when the stored call cannot be read, or without randomness.
pub async fn closing(
    app: &Arc<App>,
    kind: &str,
    stored: &StoredApproval,
    reason: Reason,
    message: String,
) -> Result<(Record, Decision), Failure> {
    let decision = Decision {
        id: DecisionId::fresh(app.clock.now(), &*app.entropy)?,
        effect: Effect::Deny,
        reason,
        tier: Tier::Never,
        rules: stored.approval.rules.clone(),
        policy_version: app.world().policy.version().to_string(),
        message,
        allowed_instead: Vec::new(),
        approval: Some(stored.approval.id),
    };
    let mut entry = about(app, kind, stored).await?;
    record::decided(&mut entry, &decision);
    Ok((entry, decision))
}

/// A record of `kind` about a waiting call: who, what, and which stored call.
///
/// # Errors
/// [`Failure::Unavailable`] when the stored call cannot be read.
pub async fn about(app: &Arc<App>, kind: &str, stored: &StoredApproval) -> Result<Record, Failure> {
    let live = session::of_task(app, stored.approval.task).await?;
    let mut entry = record::of_live(kind, &live);
    entry.approval = Some(stored.approval.id.to_string());
    entry.digest = Some(stored.approval.digest);
    if let Some(call) = stored_call(app, stored).await? {
        let world = app.world();
        let tool = stored
            .approval
            .tool
            .as_ref()
            .and_then(|tool| world.registry.tool(tool));
        record::about_call(
            &mut entry,
            &call,
            tool.map(|tool| tool.tool.classification.class.as_str()),
        );
    }
    entry.detail.insert("call", stored.approval.call.to_string());
    Ok(entry)
}

/// The call that waits, or waited; `None` when its body is gone.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be read.
pub(crate) async fn stored_call(app: &Arc<App>, stored: &StoredApproval) -> Result<Option<Call>, Failure> {
    let (task, call) = (stored.approval.task, stored.approval.call);
    let found = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::calls::get(conn, call)?))
        .await?;
    found
        .and_then(|call| call.body)
        .map(|sealed| body::open(app, task, call, &sealed))
        .transpose()
}

/// Within the append: the approval takes its last state, and the decision stands for its call from now on.
///
/// # Errors
/// [`Refused::Stale`] when it has one already: of two ends the first in the log counts, and only it is recorded.
pub fn close(
    tx: &mut Tx<'_>,
    approval: ApprovalId,
    state: ApprovalState,
    decision: DecisionId,
) -> Result<(), ApplyError> {
    let mut stored = remit_store::approvals::get(tx, approval)?
        .filter(|stored| !stored.approval.state.is_final())
        .ok_or_else(|| Refused::Stale {
            what: "approvals",
            key: approval.to_string(),
        })?;
    stored.approval.state = state;
    remit_store::approvals::put(tx, &stored)?;
    remit_store::calls::drop_for(tx, stored.approval.call, decision)
}

/// Appends what ends an approval. Somebody who was faster ended it already: that is as good.
async fn append(
    app: &Arc<App>,
    entry: Record,
    approval: ApprovalId,
    state: ApprovalState,
    decision: DecisionId,
) -> Result<(), Failure> {
    let appended = app
        .store
        .append(entry, move |tx| close(tx, approval, state, decision))
        .await;
    app.rooms.ring(approval);
    match appended {
        Ok(_) | Err(AppendError::Refused(Refused::Stale { .. })) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends an approval that was not used, with the decision the agent is told.
///
/// # Errors
/// [`Failure`] when it cannot be recorded; it waits on then.
pub async fn end(
    app: &Arc<App>,
    kind: &str,
    stored: &StoredApproval,
    closing: Closing,
    again: Option<ApprovalId>,
) -> Result<(), Failure> {
    let (mut entry, decision) = self::closing(app, kind, stored, closing.reason, closing.message).await?;
    if let Some(again) = again {
        entry.detail.insert(AGAIN, again.to_string());
    }
    append(app, entry, stored.approval.id, closing.state, decision.id).await
}

/// Ends an approval whose stored call was decided again and denied: that decision is already recorded.
///
/// # Errors
/// [`Failure`] when it cannot be recorded; it is decided again then.
pub async fn end_by(app: &Arc<App>, stored: &StoredApproval, decision: &Decision) -> Result<(), Failure> {
    let mut entry = about(app, "approval.cancelled", stored).await?;
    entry.decision_id = Some(decision.id.to_string());
    entry.detail.insert("why", decision.message.as_str());
    append(
        app,
        entry,
        stored.approval.id,
        ApprovalState::Cancelled,
        decision.id,
    )
    .await
}

/// Nobody answered, or the yes was not used, in time.
///
/// # Errors
/// [`Failure`] when it cannot be recorded.
pub async fn expire(app: &Arc<App>, stored: &StoredApproval) -> Result<(), Failure> {
    let closing = Closing {
        state: ApprovalState::Expired,
        reason: Reason::ApprovalExpired,
        message: Reason::ApprovalExpired.sentence().to_owned(),
    };
    end(app, "approval.expired", stored, closing, None).await
}

/// Records a denial of an agent that asks for an approval it cannot have, and gives it.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be recorded.
pub async fn refuse(
    app: &Arc<App>,
    live: &Live,
    approval: ApprovalId,
    of: Option<&StoredApproval>,
    reason: Reason,
    message: &str,
) -> Result<Decision, Failure> {
    let (mut entry, mut decision) = match of {
        Some(stored) => closing(app, "decision", stored, reason, message.to_owned()).await?,
        None => {
            let decision = Decision {
                id: DecisionId::fresh(app.clock.now(), &*app.entropy)?,
                effect: Effect::Deny,
                reason,
                tier: Tier::Never,
                rules: Vec::new(),
                policy_version: app.world().policy.version().to_string(),
                message: message.to_owned(),
                allowed_instead: Vec::new(),
                approval: None,
            };
            let mut entry = record::of_live("decision", live);
            record::decided(&mut entry, &decision);
            (entry, decision)
        }
    };
    decision.approval = Some(approval);
    entry.approval = Some(approval.to_string());
    app.store.append(entry, |_| Ok(())).await?;
    Ok(decision)
}

/// A decision as it was recorded, and the approval that asks again in its place.
///
/// # Errors
/// [`Failure::Unavailable`] when the record cannot be read.
pub fn recorded(
    conn: &mut Conn,
    decision: DecisionId,
) -> Result<Option<(Decision, Option<ApprovalId>)>, Failure> {
    let key = decision.to_string();
    for found in records::about(conn, &Key::Decision(&key), 0, OPENING)? {
        let entry = found.decode()?;
        if let Some(read) = read(&entry) {
            let again = entry
                .detail
                .get(AGAIN)
                .and_then(|text| text.as_str()?.parse().ok());
            return Ok(Some((read, again)));
        }
    }
    Ok(None)
}

/// The decision that opened an approval.
///
/// # Errors
/// [`Failure::Unavailable`] when the record cannot be read.
pub fn opened_by(conn: &mut Conn, approval: ApprovalId) -> Result<Option<Decision>, Failure> {
    Ok(opening(conn, approval)?.as_ref().and_then(read))
}

/// The record of the decision that opened an approval.
///
/// # Errors
/// [`Failure::Unavailable`] when the record cannot be read.
pub fn opening(conn: &mut Conn, approval: ApprovalId) -> Result<Option<Record>, Failure> {
    let key = approval.to_string();
    for found in records::about(conn, &Key::Approval(&key), 0, OPENING)? {
        let entry = found.decode()?;
        if read(&entry).is_some_and(|decision| decision.effect == Effect::Hold) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

fn read(entry: &Record) -> Option<Decision> {
    let detail = |name: &str| entry.detail.get(name).and_then(|value| value.as_str());
    Some(Decision {
        id: entry.decision_id.as_ref()?.parse().ok()?,
        effect: Effect::parse(entry.decision.as_deref()?)?,
        reason: Reason::parse(entry.reason.as_deref()?)?,
        tier: detail("tier").and_then(Tier::parse).unwrap_or(Tier::Never),
        rules: entry.rules.clone(),
        policy_version: entry.policy_version.clone().unwrap_or_default(),
        message: detail("message").unwrap_or_default().to_owned(),
        allowed_instead: Vec::new(),
        approval: entry.approval.as_ref().and_then(|id| id.parse().ok()),
    })
}
