//! The gate every request passes directly before its first byte, and which may shut behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use remit_core::id::DecisionId;
use remit_core::time::{BootTime, Clock};
use remit_enforce::{Lifeline, Permit};
use tokio::sync::mpsc;

use crate::error::{ErrorKind, Sent};
use crate::event::UpstreamEvent;
use crate::wire::Failure;

/// How often a deadline is looked at again: timers stand still while the machine sleeps, deadlines do not.
const LOOK_AGAIN_MS: u64 = 1000;

/// On which terms requests are made: what a permit says, without being one.
#[derive(Clone)]
pub(crate) struct Terms {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) deadline: BootTime,
    pub(crate) lifeline: Lifeline,
    pub(crate) decision: Option<DecisionId>,
}

impl Terms {
    pub(crate) fn of(permit: &Permit, clock: &Arc<dyn Clock>) -> Self {
        Self {
            clock: clock.clone(),
            deadline: permit.deadline(),
            lifeline: permit.lifeline().clone(),
            decision: permit.decision(),
        }
    }

    pub(crate) fn gate(&self, timeout: Duration) -> Gate {
        Gate {
            clock: self.clock.clone(),
            deadline: self.deadline,
            lifeline: self.lifeline.clone(),
            timeout,
            caller: None,
            sent: AtomicU8::new(Sent::No as u8),
        }
    }

    /// The same for what goes on after the permit was used, for as long as the authority lives.
    pub(crate) fn lasting(&self) -> Self {
        Self {
            deadline: BootTime(u64::MAX),
            ..self.clone()
        }
    }

    /// Waits until the authority or the permit's time is over.
    pub(crate) async fn over(&self) {
        let gate = self.gate(Duration::MAX);
        gate.shut().await;
    }
}

/// The conditions of one request.
pub(crate) struct Gate {
    clock: Arc<dyn Clock>,
    deadline: BootTime,
    lifeline: Lifeline,
    timeout: Duration,
    /// Who listens; a caller that no longer does wants no answer.
    caller: Option<mpsc::Sender<UpstreamEvent>>,
    sent: AtomicU8,
}

impl Gate {
    pub(crate) fn for_caller(mut self, caller: mpsc::Sender<UpstreamEvent>) -> Self {
        self.caller = Some(caller);
        self
    }

    /// Asked directly before the first byte leaves; from then on something may have been sent.
    pub(crate) fn pass(&self) -> Result<(), Failure> {
        self.check()?;
        self.sent.store(Sent::Maybe as u8, Ordering::SeqCst);
        Ok(())
    }

    /// True while the authority is there; asked before anything that is not yet the request, such as a name lookup.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.clock.boot() < self.deadline && self.lifeline.state().is_none() {
            Ok(())
        } else {
            Err(Failure::new(ErrorKind::NotFresh, self.sent(), ""))
        }
    }

    /// Nothing of it left after all.
    pub(crate) fn unsent(&self) {
        self.sent.store(Sent::No as u8, Ordering::SeqCst);
    }

    pub(crate) fn sent(&self) -> Sent {
        if self.sent.load(Ordering::SeqCst) == Sent::No as u8 {
            Sent::No
        } else {
            Sent::Maybe
        }
    }

    /// Runs `work` while the gate is open; dropped the moment it shuts.
    pub(crate) async fn run<T>(&self, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
        tokio::select! {
            biased;
            kind = self.shut() => Err(Failure::new(kind, self.sent(), match kind {
                ErrorKind::TimedOut => format!("nothing within {} s", self.timeout.as_secs_f32()),
                _ => String::new(),
            })),
            done = work => done,
        }
    }

    async fn shut(&self) -> ErrorKind {
        let mut lifeline = self.lifeline.clone();
        tokio::select! {
            cut = lifeline.gone() => {
                if self.sent() == Sent::No { ErrorKind::NotFresh } else { ErrorKind::Cut(cut) }
            }
            () = self.expired() => {
                if self.sent() == Sent::No { ErrorKind::NotFresh } else { ErrorKind::Deadline }
            }
            () = self.deserted() => ErrorKind::Cancelled,
            () = tokio::time::sleep(self.timeout) => ErrorKind::TimedOut,
        }
    }

    async fn expired(&self) {
        loop {
            let left = self.deadline.0.saturating_sub(self.clock.boot().0);
            if left == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(left.min(LOOK_AGAIN_MS))).await;
        }
    }

    async fn deserted(&self) {
        match &self.caller {
            Some(caller) => caller.closed().await,
            None => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use remit_core::time::{ManualClock, Timestamp};
    use remit_enforce::{Cut, LifelineHolder};

    use super::*;

    fn gate() -> (Arc<ManualClock>, LifelineHolder, Gate) {
        let clock = Arc::new(ManualClock::new(Timestamp(0)));
        let (holder, line) = LifelineHolder::new();
        let terms = Terms {
            clock: clock.clone(),
            deadline: BootTime(5000),
            lifeline: line,
            decision: None,
        };
        let gate = terms.gate(Duration::from_secs(60));
        (clock, holder, gate)
    }

    #[tokio::test(start_paused = true)]
    async fn shuts_when_the_authority_goes() {
        let (_clock, holder, gate) = gate();
        assert!(gate.pass().is_ok());
        holder.cut(Cut::Ended);
        let failure = gate
            .run(std::future::pending::<Result<(), _>>())
            .await
            .unwrap_err();
        assert_eq!(
            (failure.kind, failure.sent),
            (ErrorKind::Cut(Cut::Ended), Sent::Maybe)
        );
        assert_eq!(gate.pass().unwrap_err().kind, ErrorKind::NotFresh);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_permit_sends_nothing() {
        let (clock, _holder, gate) = gate();
        clock.advance_ms(5000);
        let failure = gate.pass().unwrap_err();
        assert_eq!((failure.kind, failure.sent), (ErrorKind::NotFresh, Sent::No));
        let failure = gate
            .run(std::future::pending::<Result<(), _>>())
            .await
            .unwrap_err();
        assert_eq!((failure.kind, failure.sent), (ErrorKind::NotFresh, Sent::No));
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_counts_in_flight() {
        let (clock, _holder, gate) = gate();
        gate.pass().unwrap();
        let later = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            clock.advance_ms(5000);
            std::future::pending::<Result<(), _>>().await
        };
        assert_eq!(gate.run(later).await.unwrap_err().kind, ErrorKind::Deadline);
    }

    #[tokio::test(start_paused = true)]
    async fn the_caller_and_the_time_limit_count() {
        let (_clock, _holder, gate) = gate();
        let (caller, listener) = mpsc::channel(1);
        let gate = gate.for_caller(caller);
        gate.pass().unwrap();
        let failure = gate
            .run(std::future::pending::<Result<(), _>>())
            .await
            .unwrap_err();
        assert_eq!((failure.kind, failure.sent), (ErrorKind::TimedOut, Sent::Maybe));
        drop(listener);
        let failure = gate
            .run(std::future::pending::<Result<(), _>>())
            .await
            .unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Cancelled);
    }
}
