//! Holding: the call is stored, a card is rendered, people are told, the agent's request waits for a while.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use remit_core::approval::{Approval, ApprovalState, Requirement};
use remit_core::call::Operation;
use remit_core::decision::{Decision, Effect, Reason, Tier};
use remit_core::id::{ApprovalId, CallId, DecisionId};
use remit_core::limits::PENDING_APPROVALS_PER_TASK_MAX;
use remit_core::people::Role;
use remit_core::tool::ToolRef;
use remit_policy::Hold;
use remit_store::Refused;
use remit_store::calls::{CallState, NewCall};

use super::call::Asks;
use super::cause::{self, Cause};
use super::live::Live;
use super::world::World;
use super::{body, budgets, record, uses};
use crate::app::{App, Failure};
use crate::approvals::card::{Card, CardFacts};

/// The rule named by a call that waits for nothing but a login, followed by the server.
pub const SIGN_IN: &str = "needs_reauth";

/// What a login asks: one person, of whatever role. It is level 0: no rule ever takes it for an approval.
#[must_use]
pub fn sign_in(world: &World, message: String) -> Hold {
    let anybody = [
        Role::Initiator,
        Role::Approver,
        Role::Auditor,
        Role::Administrator,
    ];
    Hold {
        requirement: Requirement {
            tier: Tier::Auto,
            approvers: vec![BTreeSet::from(anybody)],
            strong: false,
        },
        rules: Vec::new(),
        message,
        wider: None,
        policy_version: world.policy.version(),
    }
}

/// A call that waits.
#[derive(Debug)]
pub struct Held {
    /// Its approval.
    pub approval: ApprovalId,
    /// The decision.
    pub decision: Decision,
    /// The tool declares an output schema.
    pub has_output_schema: bool,
}

/// Stores the call and opens its approval.
///
/// # Errors
/// [`Failure::Conflict`] when too many wait already or the facts changed; [`Failure::Unavailable`] when it cannot be
/// recorded.
pub async fn open(app: &Arc<App>, live: &Arc<Live>, asks: &Asks) -> Result<Held, Failure> {
    let now = app.clock.now();
    let task = &asks.snapshot.task;
    let approval_id = ApprovalId::fresh(now, &*app.entropy)?;
    let call_id = CallId::fresh(now, &*app.entropy)?;
    let mut decision = pending(DecisionId::fresh(now, &*app.entropy)?, &asks.hold, approval_id);
    if let Some(server) = &asks.sign_in {
        decision.reason = Reason::NeedsReauth;
        decision.rules = vec![format!("{SIGN_IN} {server}")];
    }
    let mut because = because(&asks.hold);
    let amounts = asks.overruns.iter().map(|(_, overrun)| overrun.to_string());
    because.extend(amounts.filter(|amount| !asks.hold.message.contains(amount)));
    because.extend(asks.prepared.cause.as_deref().map(Cause::sentence));
    let card = Card::render(&CardFacts {
        approval: approval_id,
        call: &asks.prepared.call,
        classification: asks.prepared.classification(),
        task,
        confinement: live.run().confinement,
        proof: asks.prepared.proof,
        requirement: &asks.hold.requirement,
        because: &because,
    });
    let window = app.config.hold.window_ms().map_err(Failure::invalid)?;
    let approval = Approval {
        id: approval_id,
        call: call_id,
        digest: asks.prepared.digest,
        task: task.id,
        run: task.run,
        initiator: task.initiator.clone(),
        tool: tool_of(asks),
        requirement: asks.hold.requirement.clone(),
        rules: decision
            .rules
            .iter()
            .cloned()
            .chain(budgets::on_card(&asks.overruns))
            .collect(),
        card: card.hash(),
        votes: Vec::new(),
        state: ApprovalState::Pending,
        proof: asks.prepared.proof,
        opened_at: now,
        expires_at: task.expires_at.min(now.plus_ms(window)),
    };
    let sealed = body::seal(app, task.id, call_id, &asks.prepared.call)?;
    let mut entry = record::of_live("decision", live);
    entry.proof = Some(asks.prepared.proof.as_str().to_owned());
    record::about_call(
        &mut entry,
        &asks.prepared.call,
        asks.prepared.classification().map(|c| c.class.as_str()),
    );
    record::decided(&mut entry, &decision);
    cause::record(&mut entry, asks.prepared.cause.as_deref());
    record::lookup(&mut entry, &asks.prepared);
    uses::record(&mut entry, &asks.prepared.weighed);
    entry.commitment = Some(sealed.commitment);
    entry.body = Some(sealed.digest);
    entry.detail.insert("call", call_id.to_string());
    entry.detail.insert("card", card.hash().to_string());
    let stored = NewCall {
        id: call_id,
        task: task.id,
        run: task.run,
        decision: decision.id,
        digest: asks.prepared.digest,
        // The body is sealed, so this is what lets the identical call find this one, waiting or executed.
        reference: Some(approval_id.to_string()),
        state: CallState::Held,
        call: None,
        body: Some(sealed.bytes),
    };
    let attached = match &asks.attachment {
        Some(attachment) => Some(attachment.seal(app, task.id, call_id)?),
        None => None,
    };
    let (epochs, id, version) = (asks.world.epochs, task.id, task.version);
    let text = card.text();
    app.store
        .append(entry, move |tx| {
            tx.expect_epochs(epochs)?;
            tx.expect_task(id, version)?;
            if remit_store::approvals::pending_in(tx, id)? >= PENDING_APPROVALS_PER_TASK_MAX as u64 {
                let sentence = format!("{PENDING_APPROVALS_PER_TASK_MAX} calls of this task wait for people already: wait for an answer first");
                return Err(Refused::NotAllowed(sentence).into());
            }
            remit_store::approvals::open(tx, &approval, &text)?;
            if let Some(attached) = &attached {
                remit_store::bodies::keep(tx, call_id, id, attached)?;
            }
            remit_store::calls::add(tx, &stored)
        })
        .await?;
    if asks.sign_in.is_some() {
        live.waited_for_login.store(true, Ordering::SeqCst);
    }
    app.rooms.ring(approval_id);
    Ok(Held {
        approval: approval_id,
        decision,
        has_output_schema: asks.prepared.has_output_schema(),
    })
}

fn tool_of(asks: &Asks) -> Option<ToolRef> {
    match &asks.prepared.call.operation {
        Operation::CallTool(tool) => Some(ToolRef {
            server: asks.prepared.call.server.clone(),
            tool: tool.clone(),
        }),
        _ => None,
    }
}

fn because(hold: &remit_policy::Hold) -> Vec<String> {
    let mut because = vec![hold.message.clone()];
    because.extend(hold.wider.as_ref().map(|wider| format!("asked again: {wider}")));
    because
}

/// The decision of a call that waits.
fn pending(id: DecisionId, hold: &Hold, approval: ApprovalId) -> Decision {
    Decision {
        id,
        effect: Effect::Hold,
        reason: Reason::ApprovalRequired,
        tier: hold.requirement.tier,
        rules: hold.rules.iter().map(ToString::to_string).collect(),
        policy_version: hold.policy_version.to_string(),
        message: hold.message.clone(),
        allowed_instead: Vec::new(),
        approval: Some(approval),
    }
}
