//! Whether a connection lives, and why it does not any more.

use tokio::sync::watch;

use crate::error::{ErrorKind, Sent};
use crate::wire::Failure;

/// Shared by everything that belongs to one connection; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Life(watch::Sender<Option<Failure>>);

impl Life {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Ends it; the first reason stays. True when this was the first.
    pub(crate) fn end(&self, kind: ErrorKind, detail: impl std::fmt::Display) -> bool {
        self.0.send_if_modified(|state| {
            let first = state.is_none();
            if first {
                *state = Some(Failure::new(kind, Sent::Maybe, detail));
            }
            first
        })
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Why it ended; `None` while it lives.
    pub(crate) fn why(&self) -> Option<Failure> {
        self.0.borrow().clone()
    }

    /// Waits for its end.
    pub(crate) async fn over(&self) -> Failure {
        let mut line = self.0.subscribe();
        let ended = line.wait_for(Option::is_some).await.map(|state| state.clone());
        // We hold a sender ourselves, so the channel cannot close.
        ended
            .ok()
            .flatten()
            .unwrap_or_else(|| Failure::new(ErrorKind::Closed, Sent::Maybe, ""))
    }

    /// An error for a request made after the end.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.why() {
            None => Ok(()),
            Some(why) => Err(Failure::new(ErrorKind::Closed, Sent::No, why.explain())),
        }
    }
}
