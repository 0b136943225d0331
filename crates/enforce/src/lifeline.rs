//! Lifelines: how the end of a task reaches everything that is under way for it.

use futures_util::future::select_all;
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
pub struct Lifeline {
    own: watch::Receiver<Option<Cut>>,
    /// Of the other authorities, where several stand behind one thing.
    also: Vec<watch::Receiver<Option<Cut>>>,
}

impl LifelineHolder {
    /// A line that is alive.
    #[must_use]
    pub fn new() -> (Self, Lifeline) {
        let (holder, line) = watch::channel(None);
        (Self(holder), Lifeline::of(line))
    }

    /// Another line of the same authority.
    #[must_use]
    pub fn line(&self) -> Lifeline {
        Lifeline::of(self.0.subscribe())
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
    const fn of(own: watch::Receiver<Option<Cut>>) -> Self {
        Self {
            own,
            also: Vec::new(),
        }
    }

    /// The line of what is under way for both: it goes when either goes.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.also.push(other.own);
        self.also.extend(other.also);
        self
    }

    /// `None` while the authority lives; of several, while all of them do.
    #[must_use]
    pub fn state(&self) -> Option<Cut> {
        let own = *self.own.borrow();
        own.or_else(|| self.also.iter().find_map(|line| *line.borrow()))
    }

    /// Waits until the authority goes away, of several the first. A holder that was dropped counts as ended.
    pub async fn gone(&mut self) -> Cut {
        if self.also.is_empty() {
            return ended(&mut self.own).await;
        }
        let lines = std::iter::once(&mut self.own).chain(&mut self.also);
        select_all(lines.map(|line| Box::pin(ended(line)))).await.0
    }
}

async fn ended(line: &mut watch::Receiver<Option<Cut>>) -> Cut {
    match line.wait_for(Option::is_some).await {
        Ok(state) => state.unwrap_or(Cut::Ended),
        Err(_) => Cut::Ended,
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

    #[tokio::test]
    async fn what_is_under_way_for_several_goes_with_the_first_of_them() {
        let lines: Vec<_> = (0..3).map(|_| LifelineHolder::new()).collect();
        let mut line = lines[0].1.clone().and(lines[1].1.clone().and(lines[2].1.clone()));
        assert_eq!(line.state(), None);
        let cut = lines[2].0.line();
        lines[2].0.cut(Cut::Suspended);
        assert_eq!(
            (line.state(), cut.state()),
            (Some(Cut::Suspended), Some(Cut::Suspended))
        );
        assert_eq!(line.gone().await, Cut::Suspended);
        assert_eq!(lines[0].1.state(), None, "the others live on");
    }
}
