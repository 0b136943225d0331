//! Jobs: windows that close, approvals nobody answers, checkpoints; and what a crash left behind.

use std::sync::Arc;
use std::time::Duration;

use remit_core::approval::ApprovalState;
use remit_store::calls::CallState;
use tokio::sync::watch;

use crate::app::{App, Failure};
use crate::engine::{record, redeem};

/// How often windows are looked at.
const SWEEP: Duration = Duration::from_millis(500);
/// Sweeps between two checkpoints: at most ten seconds pass between a record and the checkpoint over it.
const SWEEPS_PER_CHECKPOINT: u32 = 10;

/// Runs until the app stops. A job that fails is tried again at the next sweep.
pub async fn run(app: Arc<App>, mut stopping: watch::Receiver<bool>) {
    let mut sweeps = 0_u32;
    loop {
        tokio::select! {
            _ = stopping.changed() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        sweeps = sweeps.wrapping_add(1);
        sweep(&app, sweeps.is_multiple_of(SWEEPS_PER_CHECKPOINT)).await;
    }
}

/// One sweep.
pub async fn sweep(app: &Arc<App>, checkpoint: bool) {
    log("tasks could not be expired", crate::tasks::end::expire(app).await);
    log(
        "signs of life could not be looked for",
        crate::tasks::pulse::look(app).await,
    );
    log(
        "approvals could not be expired",
        crate::approvals::vote::expire(app).await,
    );
    log("handles could not be forgotten", crate::oauth::forget(app).await);
    log(
        "keys could not be rotated",
        crate::issuer::rotate::rotate(app).await,
    );
    if checkpoint {
        log(
            "the certificate of [listen.tls] could not be renewed",
            crate::certificate::follow(app).await,
        );
        log(
            "old versions of secrets could not be destroyed",
            crate::broker::vault::destroy_outlived(app).await,
        );
        log(
            "no checkpoint could be signed",
            crate::evidence::checkpoint::sign(app).await,
        );
    }
}

fn log<T>(what: &str, result: Result<T, Failure>) {
    if let Err(failure) = result {
        tracing::warn!(%failure, "{what}");
    }
}

/// After a start: calls that were let out and have no outcome are indeterminate; approved calls that were not sent yet
/// are executed.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read or written.
pub async fn recover(app: &Arc<App>) -> Result<(), Failure> {
    const AT_ONCE: u32 = 256;
    loop {
        let open = app
            .store
            .read(|conn| Ok::<_, Failure>(remit_store::calls::unfinished(conn, AT_ONCE)?))
            .await?;
        if open.is_empty() {
            break;
        }
        for call in open {
            let mut entry = record::of("outcome");
            entry.task = Some(call.task.to_string());
            entry.run = Some(call.run.to_string());
            entry.decision_id = Some(call.decision.to_string());
            entry.digest = Some(call.digest);
            entry.outcome = Some("indeterminate".to_owned());
            entry.detail.insert("call", call.id.to_string());
            entry
                .detail
                .insert("why", "the engine stopped while it was under way");
            let id = call.id;
            app.store
                .append(entry, move |tx| {
                    remit_store::calls::finish(tx, id, CallState::Indeterminate)
                })
                .await?;
        }
    }
    let approved = app
        .store
        .read(|conn| {
            Ok::<_, Failure>(remit_store::approvals::in_state(
                conn,
                ApprovalState::Approved,
                AT_ONCE,
            )?)
        })
        .await?;
    for stored in approved {
        let (app, id) = (Arc::clone(app), stored.approval.id);
        let supervised = Arc::clone(&app);
        supervised.background.spawn(async move {
            log(
                "an approved call could not be executed",
                redeem::execute(&app, id).await,
            );
        });
    }
    Ok(())
}
