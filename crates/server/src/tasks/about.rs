//! What a run may know of its own task: what it allows, what asks a person first, what is left.

use std::sync::Arc;

use remit_core::approval::ApprovalState;
use remit_core::json::{Object, Value};
use remit_core::task::Mode;
use remit_store::codec::{authority_to_json, budget_to_text};

use crate::app::{App, Failure};
use crate::engine::live::Live;

/// The task of a run, for the run.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read.
pub async fn about(app: &Arc<App>, live: &Arc<Live>) -> Result<Object, Failure> {
    let snapshot = live.snapshot();
    let task = &snapshot.task;
    let chain: Vec<_> = snapshot
        .line()
        .map(|task| (task.id, task.authority.budgets.clone()))
        .collect();
    let id = task.id;
    let (left, waiting, children) = app
        .store
        .read(move |conn| -> Result<_, Failure> {
            let mut left = Object::new();
            for (task, budgets) in &chain {
                for (budget, max) in budgets {
                    let rest = max.saturating_sub(remit_store::budgets::used(conn, *task, budget)?);
                    let name = budget_to_text(budget);
                    // Of several tasks that count the same, the one with least left binds.
                    let known = left.get(&name).and_then(Value::as_u64).unwrap_or(u64::MAX);
                    left.insert(name, i64::try_from(rest.min(known)).unwrap_or(i64::MAX));
                }
            }
            let waiting = remit_store::approvals::of_task(conn, id, ApprovalState::Pending)?;
            let waiting: Vec<Value> = waiting
                .iter()
                .map(|stored| Value::from(stored.approval.id.to_string()))
                .collect();
            Ok((left, waiting, remit_store::tasks::live_children(conn, id)?))
        })
        .await?;
    let mut shown = Object::new();
    shown.insert("task", task.id.to_string());
    shown.insert("run", task.run.to_string());
    shown.insert("agent", task.agent.as_str());
    shown.insert("initiator", task.initiator.as_str());
    shown.insert("state", task.state.as_str());
    shown.insert("intent", task.intent.goal.as_str());
    shown.insert("purpose", task.intent.purpose.as_str());
    shown.insert("mode", task.mode.as_str());
    shown.insert("version", task.version);
    shown.insert("authority", authority_to_json(&task.authority));
    shown.insert("left", left);
    shown.insert("asks", asks(task));
    shown.insert("waiting", waiting);
    shown.insert("delegated", i64::try_from(children).unwrap_or(i64::MAX));
    shown.insert("expires_at", task.expires_at.to_string());
    if let Some(ms) = task.life.heartbeat_ms {
        shown.insert("heartbeat_ms", ms);
    }
    if let Some(end) = task.life.ends_by {
        shown.insert("ends_by", end.to_string());
    }
    let cut: Vec<Value> = task.cut.iter().map(|cut| Value::from(cut.as_str())).collect();
    shown.insert("cut", cut);
    Ok(shown)
}

/// What this task itself wants people to agree to; policy may ask for more.
fn asks(task: &remit_core::task::Task) -> Vec<Value> {
    let mut asks: Vec<Value> = task
        .authority
        .stricter
        .iter()
        .map(|(selector, tier)| Value::from(format!("{selector}: {tier}")))
        .collect();
    match task.mode {
        Mode::Assist => asks.push("everything but reading: a proposal".into()),
        Mode::Coordinate => asks.push("everything but reading: only by delegation".into()),
        Mode::Execute => {}
    }
    asks
}
