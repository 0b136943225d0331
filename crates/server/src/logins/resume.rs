//! What waited for a login goes on: held calls are executed, a server nobody could look at yet is looked at.

use std::sync::Arc;

use remit_core::approval::ApprovalState;
use remit_core::id::ApprovalId;
use remit_core::name::Name;
use remit_core::people::Role;

use super::{Whose, whose};
use crate::app::{App, Failure};
use crate::approvals::vote;
use crate::engine::hold::SIGN_IN;
use crate::engine::redeem;

/// Calls looked at.
const AT_ONCE: u32 = 256;

/// Goes on in the background.
pub(super) fn after_login(app: &Arc<App>, whose: &Whose) {
    let (app, whose) = (Arc::clone(app), whose.clone());
    let supervised = Arc::clone(&app);
    supervised.background.spawn(async move {
        if let Err(failure) = look(&app, &whose).await {
            tracing::warn!(server = %whose.server, %failure, "a server could not be looked at after the login");
        }
        if let Err(failure) = held_calls(&app, &whose).await {
            tracing::warn!(server = %whose.server, %failure, "calls that waited for the login could not go on");
        }
    });
}

/// The registry saw nothing of the server while it was closed to us.
async fn look(app: &Arc<App>, whose: &Whose) -> Result<(), Failure> {
    let world = app.world();
    let administrator = crate::people::expect_role(app, &whose.owner, &Role::Administrator).is_ok();
    let unseen = world
        .registry
        .server(&whose.server)
        .is_some_and(|entry| entry.tools.is_empty());
    if administrator && unseen {
        crate::registry::servers::first_look(app, &whose.server, &whose.owner).await?;
    }
    Ok(())
}

/// Votes for, and executes, the calls that waited for nothing but this; tries again those that people agreed to meanwhile.
async fn held_calls(app: &Arc<App>, of: &Whose) -> Result<(), Failure> {
    let (waiting, agreed) = app
        .store
        .read(|conn| {
            let waiting = remit_store::approvals::in_state(conn, ApprovalState::Pending, AT_ONCE)?;
            let agreed = remit_store::approvals::in_state(conn, ApprovalState::Approved, AT_ONCE)?;
            Ok::<_, Failure>((waiting, agreed))
        })
        .await?;
    for stored in waiting {
        let approval = &stored.approval;
        let rule = format!("{SIGN_IN} {}", of.server);
        if approval.rules.contains(&rule) && is_for(app, &approval.initiator, of) {
            let note = format!("signed in to {}", of.server);
            vote::approve(app, approval.id, vote::Reach::Once, note, &of.owner).await?;
        }
    }
    for stored in agreed {
        let approval = &stored.approval;
        let to = approval.tool.as_ref().map(|tool| &tool.server);
        if to == Some(&of.server) && is_for(app, &approval.initiator, of) {
            again(app, approval.id).await;
        }
    }
    Ok(())
}

fn is_for(app: &App, initiator: &Name, of: &Whose) -> bool {
    let world = app.world();
    let entry = world.registry.server(&of.server);
    entry
        .and_then(|entry| whose(app, &entry.server, initiator))
        .as_ref()
        == Some(of)
}

async fn again(app: &Arc<App>, id: ApprovalId) {
    if let Err(failure) = redeem::execute(app, id).await {
        tracing::warn!(approval = %id, %failure, "a call that waited for a login could not be executed");
    }
}
