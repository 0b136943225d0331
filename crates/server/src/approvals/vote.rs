//! Verdicts: taken from people, recorded, and acted on.

use std::sync::Arc;

use remit_core::approval::{Approval, ApprovalState, Grant, GrantBound, Verdict};
use remit_core::decision::{Reason, Tier};
use remit_core::id::{ApprovalId, GrantId};
use remit_core::json::Object;
use remit_core::limits::{GRANT_MS_MAX, GRANT_USES_MAX, NOTE_BYTES_MAX};
use remit_core::name::Name;
use remit_core::people::Human;
use remit_store::Refused;
use remit_store::approvals::StoredApproval;

use crate::app::{App, Failure};
use crate::engine::{body, closing, record, redeem, session};
use crate::registry::arguments;
use crate::tasks::builtin;

/// How far a yes reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This call only.
    Once,
    /// This call and others like it, this many in all.
    Times(u64),
    /// This call and others like it, for so many milliseconds.
    For(i64),
    /// This call and others like it, until the task ends.
    Task,
}

/// Says yes.
///
/// # Errors
/// [`Failure`] says why the verdict does not count.
pub async fn approve(
    app: &Arc<App>,
    id: ApprovalId,
    reach: Reach,
    note: String,
    by: &Name,
) -> Result<StoredApproval, Failure> {
    expect_reach(reach)?;
    let stored = vote(app, id, Verdict::Approve, note, by).await?;
    if stored.approval.state == ApprovalState::Approved {
        if reach != Reach::Once {
            grant(app, &stored, reach, by).await?;
        }
        let executing = Arc::clone(app);
        app.background.spawn(async move {
            if let Err(failure) = redeem::execute(&executing, id).await {
                tracing::error!(approval = %id, %failure, "an approved call could not be executed; it is tried again when it is redeemed");
            }
            executing.rooms.ring(id);
        });
    }
    Ok(stored)
}

/// Says no, with words for the agent.
///
/// # Errors
/// [`Failure`] says why the verdict does not count.
pub async fn deny(
    app: &Arc<App>,
    id: ApprovalId,
    note: String,
    by: &Name,
) -> Result<StoredApproval, Failure> {
    vote(app, id, Verdict::Deny, note, by).await
}

fn expect_reach(reach: Reach) -> Result<(), Failure> {
    match reach {
        Reach::Times(times) if !(1..=GRANT_USES_MAX).contains(&times) => Err(Failure::invalid(format!(
            "a grant by count has 1 to {GRANT_USES_MAX} uses"
        ))),
        Reach::For(ms) if !(1..=GRANT_MS_MAX).contains(&ms) => {
            Err(Failure::invalid("a grant by time lasts at most 24 hours"))
        }
        _ => Ok(()),
    }
}

async fn vote(
    app: &Arc<App>,
    id: ApprovalId,
    verdict: Verdict,
    note: String,
    by: &Name,
) -> Result<StoredApproval, Failure> {
    if note.len() > NOTE_BYTES_MAX {
        return Err(Failure::invalid(format!(
            "a note has at most {NOTE_BYTES_MAX} bytes"
        )));
    }
    let world = app.world();
    let human = world.humans.get(by).map(|human| Human::clone(human));
    let human = human.ok_or_else(|| Failure::Forbidden(format!("no human `{by}` is registered")))?;
    let before = get(app, id).await?;
    let live = session::of_task(app, before.approval.task).await?;
    if verdict == Verdict::Approve && asks_for_more(&before.approval) {
        crate::tasks::amend::expect_may_widen(&world, &live.snapshot().task, by)?;
    }
    // The run could have given this verdict itself when nothing keeps it from the channel people use.
    let weak = live.run().confinement.reaches_people();
    // A no is the agent's denial; a yes only counts.
    let (mut entry, denial) = if verdict == Verdict::Deny {
        let sentence = if note.is_empty() {
            format!("{by} denied this call")
        } else {
            format!("{by} denied this call: {note}")
        };
        let (entry, denial) =
            closing::closing(app, "approval.vote", &before, Reason::ApprovalDenied, sentence).await?;
        (entry, Some(denial.id))
    } else {
        let mut entry = record::of_task("approval.vote", &live.snapshot().task);
        entry.approval = Some(id.to_string());
        entry.digest = Some(before.approval.digest);
        (entry, None)
    };
    entry.detail.insert("by", by.as_str());
    entry.detail.insert(
        "verdict",
        if verdict == Verdict::Approve {
            "approve"
        } else {
            "deny"
        },
    );
    entry.detail.insert("card", before.approval.card.to_string());
    entry.detail.insert("weak", weak);
    if !note.is_empty() {
        entry.detail.insert("note", note.as_str());
    }
    let (_, after) = app
        .store
        .append(entry, move |tx| {
            let Some(mut stored) = remit_store::approvals::get(tx, id)? else {
                return Err(Refused::NotFound {
                    what: "approvals",
                    key: id.to_string(),
                }
                .into());
            };
            let now = tx.time();
            if verdict == Verdict::Approve && stored.approval.requirement.tier == Tier::TwoPerson {
                crate::seniority::expect_counts(tx, &human.name)?;
            }
            stored
                .approval
                .vote(&human, verdict, note.clone(), now, weak)
                .map_err(|error| Refused::NotAllowed(error.to_string()))?;
            remit_store::approvals::put(tx, &stored)?;
            if let Some(denial) = denial {
                remit_store::calls::drop_for(tx, stored.approval.call, denial)?;
            }
            Ok(stored.value)
        })
        .await?;
    app.rooms.ring(id);
    Ok(after)
}

/// True when an agent asks for more authority: only who may give it may agree.
fn asks_for_more(approval: &Approval) -> bool {
    approval
        .tool
        .as_ref()
        .is_some_and(|tool| builtin::is(&tool.server) && tool.tool.as_str() == builtin::REQUEST_ACCESS)
}

/// One approval.
///
/// # Errors
/// [`Failure::NotFound`] when there is none.
pub async fn get(app: &Arc<App>, id: ApprovalId) -> Result<StoredApproval, Failure> {
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::approvals::get(conn, id)?))
        .await?;
    stored
        .map(|stored| stored.value)
        .ok_or_else(|| Failure::NotFound(format!("no approval `{id}`: see `remit approvals`")))
}

/// Gives the bounded form of an approval: over the fields printed on its card.
async fn grant(app: &Arc<App>, stored: &StoredApproval, reach: Reach, by: &Name) -> Result<(), Failure> {
    let approval = &stored.approval;
    let Some(tool) = approval.tool.clone() else {
        return Ok(());
    };
    if matches!(approval.requirement.tier, Tier::Never) {
        return Err(Failure::invalid("a call of tier never cannot be granted"));
    }
    let now = app.clock.now();
    let (salient, fingerprint) = salient(app, approval).await?;
    let grant = Grant {
        id: GrantId::fresh(now, &*app.entropy)?,
        approval: approval.id,
        task: approval.task,
        tool,
        fingerprint,
        salient,
        bound: match reach {
            // The call that was approved is the first of them.
            Reach::Once | Reach::Times(1) => return Ok(()),
            Reach::Times(times) => GrantBound::Times(times - 1),
            Reach::For(ms) => GrantBound::Until(now.plus_ms(ms)),
            Reach::Task => GrantBound::Task,
        },
        used: 0,
        level: approval.requirement.tier.level(),
        revoked: false,
    };
    let mut detail = Object::new();
    detail.insert("grant", grant.id.to_string());
    detail.insert("tool", grant.tool.to_string());
    let mut entry = record::by_human("grant.give", by, detail);
    entry.approval = Some(approval.id.to_string());
    entry.task = Some(approval.task.to_string());
    app.store
        .append(entry, move |tx| remit_store::grants::add(tx, &grant))
        .await?;
    Ok(())
}

/// The fields a grant is bound to: what people judge by, or every argument when nothing is marked.
async fn salient(
    app: &Arc<App>,
    approval: &Approval,
) -> Result<(Vec<(String, remit_core::json::Value)>, remit_core::digest::Digest), Failure> {
    let (task, call) = (approval.task, approval.call);
    let stored = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::calls::get(conn, call)?))
        .await?;
    let sealed = stored
        .and_then(|call| call.body)
        .ok_or_else(|| Failure::Unavailable("the stored call is gone".to_owned()))?;
    let stored = body::open(app, task, call, &sealed)?;
    let world = app.world();
    let rules = approval
        .tool
        .as_ref()
        .and_then(|tool| world.registry.tool(tool))
        .map(|tool| tool.tool.classification.arguments.clone())
        .unwrap_or_default();
    let reading = arguments::read(&rules, &stored.arguments).map_err(Failure::invalid)?;
    let salient = if reading.salient.is_empty() {
        let pointer = |key: &str| format!("/{}", key.replace('~', "~0").replace('/', "~1"));
        stored
            .arguments
            .iter()
            .map(|(key, value)| (pointer(key), value.clone()))
            .collect()
    } else {
        reading.salient
    };
    Ok((salient, stored.fingerprint))
}

/// Takes a grant back.
///
/// # Errors
/// [`Failure`] when there is none, or the person may not.
pub async fn revoke(app: &Arc<App>, id: GrantId, by: &Name) -> Result<(), Failure> {
    let known = app.world().humans.get(by).is_some_and(|human| human.may_decide());
    if !known {
        return Err(Failure::Forbidden(format!("{by} is not an active human here")));
    }
    let mut detail = Object::new();
    detail.insert("grant", id.to_string());
    let entry = record::by_human("grant.revoke", by, detail);
    app.store
        .append_urgent(entry, move |tx| remit_store::grants::revoke(tx, id))
        .await?;
    Ok(())
}

/// Closes approvals nobody answered in time.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read or written.
pub async fn expire(app: &Arc<App>) -> Result<usize, Failure> {
    const AT_ONCE: u32 = 64;
    let now = app.clock.now();
    let waiting = app
        .store
        .read(move |conn| {
            let mut due = remit_store::approvals::in_state(conn, ApprovalState::Pending, AT_ONCE)?;
            due.extend(remit_store::approvals::in_state(
                conn,
                ApprovalState::Approved,
                AT_ONCE,
            )?);
            Ok::<_, Failure>(due)
        })
        .await?;
    let due: Vec<ApprovalId> = waiting
        .iter()
        .filter(|a| a.approval.expires_at <= now)
        .map(|a| a.approval.id)
        .collect();
    for id in &due {
        closing::expire(app, &get(app, *id).await?).await?;
    }
    Ok(due.len())
}
