//! Roles of one database. All logins first, on a session of their own, because that is what closes the door; then, on the
//! session that makes roles and in turn with it, what they own, the roles, and the look that proves them gone.

use std::collections::BTreeSet;
use std::sync::Arc;

use remit_broker::backend::postgresql;
use remit_core::lease::Lease;
use remit_core::name::Name;

use crate::app::{App, Failure};
use crate::broker::backends::Ended;
use crate::broker::databases::sessions::{self, Duty};

/// Takes the logins away and ends the sessions; answers the names for which that is not so yet.
pub(super) async fn cut(
    app: &Arc<App>,
    database: &Name,
    batch: &[Lease],
) -> Result<BTreeSet<String>, Failure> {
    let names = names(batch);
    let slot = app.broker.sessions.of_house(database, Duty::Cut);
    let mut session = slot.lock().await;
    let session = sessions::house(app, database, &mut session, Duty::Cut, None).await?;
    postgresql::cut(session, &names)
        .await
        .map_err(Failure::unavailable)
}

/// Removes roles that cannot sign in any more, and looks. Whoever wants a role made meanwhile has a turn after each part.
pub(super) async fn remove(app: &Arc<App>, database: &Name, batch: &[Lease]) -> Result<Vec<Ended>, Failure> {
    let mut living = BTreeSet::new();
    for part in names(batch).chunks(postgresql::REMOVED_AT_ONCE) {
        let slot = app.broker.sessions.of_house(database, Duty::Make);
        let mut session = slot.lock().await;
        let session = sessions::house(app, database, &mut session, Duty::Make, None).await?;
        if let Err(error) = postgresql::remove(session, part).await {
            tracing::warn!(%database, %error, "not every role of an ended task could be dropped; none can sign in");
        }
        living.append(
            &mut postgresql::prove(session, part)
                .await
                .map_err(Failure::unavailable)?,
        );
    }
    let found = batch.iter().map(|lease| {
        if living.contains(&lease.handle) {
            Ended::Lives("it still lives, and cannot sign in".to_owned())
        } else {
            Ended::Dead("probed dead")
        }
    });
    Ok(found.collect())
}

fn names(batch: &[Lease]) -> Vec<String> {
    batch.iter().map(|lease| lease.handle.clone()).collect()
}
