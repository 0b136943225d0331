//! Lifelines: how the end of a task reaches everything that is under way for it.

use tokio::sync::watch;

/// Why authority went away while something was under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The task ended or was killed.
    Ended,
    /// The task was suspended.
    Suspended,
    /// The process is shutting down.
    Shutdown,
}

/// Held by whoever may end the authority: the task table.
#[derive(Debug)]
pub struct LifelineHolder(watch::Sender<Option<Cut>>);

/// Carried by everything under way; cheap to clone.
#[derive(Clone, Debug)]
pub struct Lifeline(watch::Receiver<Option<Cut>>);

impl LifelineHolder {
    /// A line that is alive.
    #[must_use]
    pub fn new() -> (Self, Lifeline) {
        let (holder, line) = watch::channel(None);
        (Self(holder), Lifeline(line))
    }

    /// Another line of the same authority.
    #[must_use]
    pub fn line(&self) -> Lifeline {
        Lifeline(self.0.subscribe())
    }

    /// Ends it for everybody at once; the first reason stays.
    pub fn cut(&self, why: Cut) {
        self.0.send_if_modified(|state| {
            let first = state.is_none();
            if first {
                *state = Some(why);
            }
            first
        });
    }
}

impl Lifeline {
    /// `None` while the authority lives.
    #[must_use]
    pub fn state(&self) -> Option<Cut> {
        *self.0.borrow()
    }

    /// Waits until the authority goes away. A holder that was dropped counts as ended.
    pub async fn gone(&mut self) -> Cut {
        match self.0.wait_for(Option::is_some).await {
            Ok(state) => state.unwrap_or(Cut::Ended),
            Err(_) => Cut::Ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cut_reaches_every_line_and_the_first_reason_stays() {
        let (holder, mut line) = LifelineHolder::new();
        assert_eq!(line.state(), None);
        let mut other = holder.line();
        holder.cut(Cut::Suspended);
        holder.cut(Cut::Ended);
        assert_eq!(line.gone().await, Cut::Suspended);
        assert_eq!(other.gone().await, Cut::Suspended);
    }

    #[tokio::test]
    async fn a_dropped_holder_is_an_end() {
        let (holder, mut line) = LifelineHolder::new();
        drop(holder);
        assert_eq!(line.gone().await, Cut::Ended);
    }
}
