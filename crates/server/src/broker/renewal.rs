//! Renewal of a lease: a decision over what is true now (policy, labels, freezes, who stands behind the task), recorded like
//! every other, before anybody is asked for more life. Refused is recorded too, and the lease ends.

use std::sync::Arc;

use remit_core::decision::Effect;
use remit_core::lease::Lease;
use remit_core::time::Timestamp;
use remit_store::{AppendError, Refused};

use super::credential::CredentialFailure;
use super::leases;
use crate::app::App;
use crate::engine::call::catch_up;
use crate::engine::live::Live;
use crate::tasks::renew::goes_on;

/// Tries before a decision gives up on facts that keep changing.
const TRIES: usize = 4;

/// Decides whether the task may go on holding this credential, and moves its end to `until`; without one, another takes its
/// place.
///
/// # Errors
/// [`CredentialFailure::Ended`] when it is refused.
pub(super) async fn decide(
    app: &Arc<App>,
    live: &Arc<Live>,
    lease: &Lease,
    until: Option<Timestamp>,
) -> Result<(), CredentialFailure> {
    for _ in 0..TRIES {
        let decided = goes_on(app, live, "lease.renew").await?;
        let mut entry = decided.entry;
        leases::about(&mut entry, lease);
        if decided.decision.effect != Effect::Allow {
            app.store
                .append(entry, |_| Ok(()))
                .await
                .map_err(crate::app::Failure::from)?;
            return Err(CredentialFailure::Ended(format!(
                "the credential for `{}` is not renewed: {}",
                lease.system, decided.decision.message
            )));
        }
        if let Some(until) = until {
            entry.detail.insert("until", until.to_string());
        }
        let (id, task, version, epochs) = (lease.id, decided.task, decided.version, decided.world.epochs);
        let appended = app
            .store
            .append(entry, move |tx| {
                tx.expect_epochs(epochs)?;
                tx.expect_task(task, version)?;
                remit_store::tasks::expect_open(tx, task)?;
                until.map_or(Ok(()), |until| remit_store::leases::extend(tx, id, until))
            })
            .await;
        match appended {
            Ok(_) => return Ok(()),
            Err(AppendError::Refused(Refused::NotOpen { .. })) => {
                return Err(CredentialFailure::Ended(
                    "the task is not open any more".to_owned(),
                ));
            }
            Err(AppendError::Refused(_)) => catch_up(app, live, &decided.world).await?,
            Err(error) => return Err(crate::app::Failure::from(error).into()),
        }
    }
    Err(CredentialFailure::Unavailable(
        "the facts kept changing while a renewal was decided: try again".to_owned(),
    ))
}
