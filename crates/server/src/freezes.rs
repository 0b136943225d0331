//! Freezes: nothing changes below a resource until a moment. A fact of policy, not a sentence in a chat.

use std::sync::Arc;

use remit_core::json::Object;
use remit_core::name::Name;
use remit_core::people::Role;
use remit_core::resource::Resource;
use remit_core::time::Timestamp;
use remit_store::Epoch;
use remit_store::freezes::Freeze;

use crate::app::{App, Failure};
use crate::engine::record;

/// Places a freeze; it ends by itself.
///
/// # Errors
/// [`Failure`] when it would be over already, or the person may not.
pub async fn place(
    app: &Arc<App>,
    resource: Resource,
    until: Timestamp,
    why: String,
    by: &Name,
) -> Result<(), Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    let resource = app.world().registry.folded(&resource);
    if until <= app.clock.now() {
        return Err(Failure::invalid(format!(
            "{until} is in the past: give a later moment"
        )));
    }
    let mut detail = Object::new();
    detail.insert("until", until.to_string());
    detail.insert("why", why.as_str());
    let mut entry = record::by_human("freeze", by, detail);
    entry.resource = Some(resource.to_string());
    let freeze = Freeze {
        resource,
        until,
        placed_by: by.clone(),
        why,
        lifted: false,
    };
    app.store
        .append_urgent(entry, move |tx| {
            remit_store::freezes::place(tx, &freeze)?;
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(())
}

/// Lifts a freeze before its time.
///
/// # Errors
/// [`Failure`] when there is none, or the person may not.
pub async fn lift(app: &Arc<App>, resource: Resource, by: &Name) -> Result<(), Failure> {
    crate::people::expect_role(app, by, &Role::Administrator)?;
    let resource = app.world().registry.folded(&resource);
    let mut entry = record::by_human("freeze.lift", by, Object::new());
    entry.resource = Some(resource.to_string());
    app.store
        .append(entry, move |tx| {
            remit_store::freezes::lift(tx, &resource)?;
            tx.bump(Epoch::Registry);
            Ok(())
        })
        .await?;
    app.reload().await?;
    Ok(())
}
