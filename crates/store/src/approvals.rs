//! Approvals: a call that waits, the card that was shown, what people said, and its one use.

use remit_core::approval::{Approval, ApprovalState, Vote};
use remit_core::confinement::Proof;
use remit_core::digest::Digest;
use remit_core::id::{ApprovalId, TaskId};
use remit_core::json::Value as Json;
use remit_core::time::Timestamp;
use remit_core::tool::ToolRef;

use crate::append::{ApplyError, Refused, Tx};
use crate::codec::{
    BadJson, requirement_from_json, requirement_to_json, text_list, texts, vote_from_json, vote_to_json,
};
use crate::error::StoreError;
use crate::rows::Checked;
use crate::sql::{Conn, Value};
use crate::stored::{Columns, Stored};
use crate::tables::APPROVALS;

/// An approval and the card people see.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredApproval {
    /// The approval.
    pub approval: Approval,
    /// The card as it was rendered; its digest is [`Approval::card`].
    pub card: String,
}

/// Opens an approval.
///
/// # Errors
/// [`Refused::Duplicate`] when the id is taken, [`Refused::NotAllowed`] when the card does not have its digest.
pub fn open(tx: &mut Tx<'_>, approval: &Approval, card: &str) -> Result<(), ApplyError> {
    if Digest::of(card.as_bytes()) != approval.card {
        return Err(
            Refused::NotAllowed("the card does not have the digest of its approval".to_owned()).into(),
        );
    }
    let stored = StoredApproval {
        approval: approval.clone(),
        card: card.to_owned(),
    };
    APPROVALS.insert(tx, &columns(&stored)).map(drop)
}

/// Replaces an approval as it was read: a verdict, an expiry.
///
/// # Errors
/// [`Refused::Stale`] when it changed since: of a denial and an approval the first in the log counts.
pub fn put(tx: &mut Tx<'_>, approval: &Stored<StoredApproval>) -> Result<(), ApplyError> {
    APPROVALS.update(tx, &columns(approval), approval.changed)
}

/// Spends an approval for the call with this digest; at most once, ever.
///
/// # Errors
/// [`Refused::ApprovalUsed`] when it is not approved (any more), over, or about another call.
pub fn spend(tx: &mut Tx<'_>, approval: ApprovalId, digest: Digest) -> Result<Approval, ApplyError> {
    let refused = |state| ApplyError::from(Refused::ApprovalUsed { approval, state });
    let Some(mut stored) = get(tx, approval)? else {
        return Err(refused("unknown"));
    };
    if stored.approval.state != ApprovalState::Approved {
        return Err(refused(stored.approval.state.as_str()));
    }
    if stored.approval.digest != digest {
        return Err(refused("for another call"));
    }
    if stored.approval.expires_at <= tx.time() {
        return Err(refused("expired"));
    }
    stored.approval.state = ApprovalState::Spent;
    put(tx, &stored)?;
    Ok(stored.value.approval)
}

/// One approval.
///
/// # Errors
/// [`StoreError::Tampered`] when the row is not ours.
pub fn get(conn: &mut Conn, approval: ApprovalId) -> Result<Option<Stored<StoredApproval>>, StoreError> {
    APPROVALS
        .get(conn, &[approval.to_string().into()])?
        .map(read)
        .transpose()
}

/// Up to `limit` approvals in a state, those first that expire first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn in_state(
    conn: &mut Conn,
    state: ApprovalState,
    limit: u32,
) -> Result<Vec<Stored<StoredApproval>>, StoreError> {
    let rows = APPROVALS.load(
        conn,
        "WHERE t.state = $1 ORDER BY t.expires_at, t.id LIMIT $2",
        &[state.as_str().into(), i64::from(limit).into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// The approvals of a task in a state, oldest first.
///
/// # Errors
/// [`StoreError::Tampered`] when a row is not ours.
pub fn of_task(
    conn: &mut Conn,
    task: TaskId,
    state: ApprovalState,
) -> Result<Vec<Stored<StoredApproval>>, StoreError> {
    let rows = APPROVALS.load(
        conn,
        "WHERE t.task = $1 AND t.state = $2 ORDER BY t.id",
        &[task.to_string().into(), state.as_str().into()],
    )?;
    rows.into_iter().map(read).collect()
}

/// How many wait in a task.
///
/// # Errors
/// [`StoreError::Db`].
pub fn pending_in(conn: &mut Conn, task: TaskId) -> Result<u64, StoreError> {
    let row = conn.query_one(
        "SELECT count(*) FROM approvals WHERE task = $1 AND state = 'pending'",
        &[task.to_string().into()],
    )?;
    Ok(row.int(0)?.unsigned_abs())
}

/// Cancels what waits or was not used yet in a task that ends.
pub(crate) fn cancel_all(tx: &mut Tx<'_>, task: TaskId) -> Result<(), ApplyError> {
    for state in [ApprovalState::Pending, ApprovalState::Approved] {
        for mut stored in of_task(tx, task, state)? {
            stored.approval.state = ApprovalState::Cancelled;
            put(tx, &stored)?;
        }
    }
    Ok(())
}

fn columns(stored: &StoredApproval) -> [Value<'_>; 16] {
    let approval = &stored.approval;
    let votes: Json = approval.votes.iter().map(vote_to_json).collect();
    [
        approval.id.to_string().into(),
        approval.task.to_string().into(),
        approval.state.as_str().into(),
        approval.expires_at.0.into(),
        approval.call.to_string().into(),
        approval.digest.as_bytes().as_slice().into(),
        approval.run.to_string().into(),
        approval.initiator.as_str().into(),
        approval.tool.as_ref().map(ToolRef::to_string).into(),
        requirement_to_json(&approval.requirement).to_string().into(),
        text_list(&approval.rules).to_string().into(),
        approval.card.as_bytes().as_slice().into(),
        (&stored.card).into(),
        votes.to_string().into(),
        approval.opened_at.0.into(),
        approval.proof.as_str().into(),
    ]
}

fn votes_from_json(value: &Json) -> Result<Vec<Vote>, BadJson> {
    let items = value
        .as_array()
        .ok_or_else(|| BadJson::new("", "a list belongs here"))?;
    items.iter().map(vote_from_json).collect()
}

#[expect(clippy::needless_pass_by_value, reason = "a row is read once")]
fn read(row: Checked) -> Result<Stored<StoredApproval>, StoreError> {
    let columns = Columns::of(&APPROVALS, &row);
    let approval = Approval {
        id: columns.parsed(0)?,
        task: columns.parsed(1)?,
        state: columns.word(2, ApprovalState::parse)?,
        expires_at: Timestamp(columns.int(3)?),
        call: columns.parsed(4)?,
        digest: columns.digest(5)?,
        run: columns.parsed(6)?,
        initiator: columns.parsed(7)?,
        tool: columns.opt_parsed(8)?,
        requirement: columns.json(9, requirement_from_json)?,
        rules: columns.json(10, texts)?,
        card: columns.digest(11)?,
        votes: columns.json(13, votes_from_json)?,
        opened_at: Timestamp(columns.int(14)?),
        proof: columns.word(15, Proof::parse)?,
    };
    let card = columns.text(12)?.to_owned();
    Ok(Stored {
        value: StoredApproval { approval, card },
        changed: row.changed,
    })
}
