//! Reach: whether a task can use a tool at all, whatever the tool is given. Asked before anything is done for the sake of a
//! call that could only be refused.

use std::sync::Arc;

use remit_core::decision::{Decision, Reason};
use remit_policy::{Origin, Verdict};

use super::call::{Asked, Decided, deny, deny_for, standing};
use super::decide::{Answered, Circumstances, ask, prepare};
use super::live::Live;
use super::{labels, session, uses};
use crate::app::{App, Failure};

/// Denies, and records, a call of a tool the task cannot use; `None` when it can, or when that depends on what is not known yet.
///
/// # Errors
/// [`Failure::Unavailable`] when the denial cannot be recorded.
pub(crate) async fn beyond(
    app: &Arc<App>,
    live: &Arc<Live>,
    asked: &Asked,
) -> Result<Option<Decision>, Failure> {
    let world = app.world();
    let snapshot = session::current(live, &world);
    let mut prepared = prepare(
        &world,
        &asked.server,
        asked.operation.clone(),
        asked.arguments.clone(),
        asked.proof,
    );
    prepared.cause.clone_from(&asked.cause);
    let refused = prepared
        .refused
        .clone()
        .filter(|(reason, _)| matches!(reason, Reason::ToolQuarantined | Reason::ToolChanged));
    if let Some((reason, message)) = standing(app, &snapshot).or(refused) {
        return deny_for(app, live, &prepared, reason, message).await.map(Some);
    }
    let selected = prepared.entry.as_ref().is_some_and(|entry| {
        let tool = &entry.tool;
        snapshot
            .task
            .authority
            .selects(&tool.name, tool.classification.class)
    });
    if selected {
        return Ok(None);
    }
    let labels = labels::of(app, live, &world).await?;
    prepared.weighed = uses::of(app, live).await?.weigh(&snapshot, &prepared, &labels);
    let at = Circumstances {
        now: app.clock.now(),
        labels: &labels,
        exhausted: &[],
        origin: Origin::Initial,
        approval: None,
        weighed: &prepared.weighed,
    };
    // Where policy does not refuse what the task does not select, its class is observed only: it goes on as ever.
    let Answered {
        verdict: Verdict::Deny(denial),
        ..
    } = ask(&world, &snapshot, &prepared, at)
    else {
        return Ok(None);
    };
    match deny(app, live, &prepared, denial).await? {
        Decided::Denied { decision, .. } => Ok(Some(*decision)),
        Decided::Allowed(_) | Decided::Asks(_) => Err(Failure::Unavailable("a denial is one".to_owned())),
    }
}
