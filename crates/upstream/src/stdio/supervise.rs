//! Watches a server's process and ends it, with everything it started, when the connection is over.

use std::sync::Arc;
use std::time::Duration;

use remit_confine::{ProcessId, kill_tree};
use tokio::process::{Child, ChildStdin};
use tokio::sync::{Mutex, watch};

use crate::error::ErrorKind;
use crate::wire::life::Life;

/// How long a server may take to end by itself once its input is closed.
const POLITE: Duration = Duration::from_millis(200);
/// How long it may take after TERM, before KILL.
const GRACE: Duration = Duration::from_millis(300);

/// What became of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It runs.
    #[default]
    Running,
    /// It ended; the sentence says how.
    Ended(String),
    /// It and everything it started are gone.
    Buried,
}

pub(crate) async fn supervise(
    mut child: Child,
    process: ProcessId,
    life: Life,
    stdin: Arc<Mutex<Option<ChildStdin>>>,
    fate: watch::Sender<Fate>,
) {
    tokio::select! {
        status = child.wait() => {
            let how = status.map_or_else(|e| e.to_string(), |s| format!("its process ended ({s})"));
            fate.send_replace(Fate::Ended(how.clone()));
            // The reader first takes what is still in the pipe; it ends the connection. A child that inherited the output
            // could keep it open for ever.
            if tokio::time::timeout(POLITE, life.over()).await.is_err() {
                life.end(ErrorKind::Gone, how);
            }
        }
        _ = life.over() => {
            if let Ok(mut stdin) = tokio::time::timeout(POLITE, stdin.lock()).await {
                stdin.take();
            }
            let _ = tokio::time::timeout(POLITE, child.wait()).await;
        }
    }
    let killed = tokio::task::spawn_blocking(move || kill_tree(process, GRACE)).await;
    match killed {
        Ok(Ok(ended)) if !ended.survivors.is_empty() => {
            tracing::warn!(survivors = ?ended.survivors, "processes of a server could not be ended");
        }
        Ok(Err(error)) => tracing::warn!(%error, "the processes of a server could not be ended"),
        _ => {}
    }
    let _ = child.kill().await;
    fate.send_replace(Fate::Buried);
}
