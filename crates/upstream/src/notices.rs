//! What happens outside any call. A change is never lost and never queued twice, however fast a server sends.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use remit_core::json::Object;
use tokio::sync::Notify;

/// Most log messages kept while nobody reads; older ones go first.
const LOGS_MAX: usize = 64;
/// Most updated resources kept while nobody reads. Only subscribed ones are kept at all.
const UPDATES_MAX: usize = 1024;

/// Something that happened outside any call.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// The tools may have changed: look again.
    ToolsChanged,
    /// The prompts may have changed.
    PromptsChanged,
    /// The resources may have changed.
    ResourcesChanged,
    /// A subscribed resource changed.
    ResourceUpdated(String),
    /// `notifications/message` that belongs to no call.
    Log(Object),
}

/// The receiving end: one per connection.
#[derive(Debug)]
pub struct Notices(Arc<Board>);

/// Where notices are pinned until they are read.
#[derive(Debug, Default)]
pub(crate) struct Board {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    tools: bool,
    prompts: bool,
    resources: bool,
    updated: BTreeSet<String>,
    logs: VecDeque<Object>,
    closed: bool,
}

impl Notices {
    pub(crate) const fn new(board: Arc<Board>) -> Self {
        Self(board)
    }

    /// The next notice; `None` when the connection is closed and all are read.
    pub async fn next(&mut self) -> Option<Notice> {
        loop {
            // Registered before looking, so that a notice pinned in between wakes us.
            let changed = self.0.changed.notified();
            match self.0.take() {
                Taken::Notice(notice) => return Some(notice),
                Taken::Closed => return None,
                Taken::Nothing => changed.await,
            }
        }
    }
}

enum Taken {
    Notice(Notice),
    Closed,
    Nothing,
}

impl Board {
    pub(crate) fn pin(&self, notice: Notice) {
        self.with(|state| match notice {
            Notice::ToolsChanged => state.tools = true,
            Notice::PromptsChanged => state.prompts = true,
            Notice::ResourcesChanged => state.resources = true,
            Notice::ResourceUpdated(uri) => {
                if state.updated.len() < UPDATES_MAX {
                    state.updated.insert(uri);
                }
            }
            Notice::Log(params) => {
                if state.logs.len() == LOGS_MAX {
                    state.logs.pop_front();
                }
                state.logs.push_back(params);
            }
        });
        self.changed.notify_one();
    }

    pub(crate) fn close(&self) {
        self.with(|state| state.closed = true);
        self.changed.notify_one();
    }

    fn take(&self) -> Taken {
        self.with(|state| {
            if std::mem::take(&mut state.tools) {
                return Taken::Notice(Notice::ToolsChanged);
            }
            if std::mem::take(&mut state.prompts) {
                return Taken::Notice(Notice::PromptsChanged);
            }
            if std::mem::take(&mut state.resources) {
                return Taken::Notice(Notice::ResourcesChanged);
            }
            if let Some(uri) = state.updated.pop_first() {
                return Taken::Notice(Notice::ResourceUpdated(uri));
            }
            match state.logs.pop_front() {
                Some(params) => Taken::Notice(Notice::Log(params)),
                None if state.closed => Taken::Closed,
                None => Taken::Nothing,
            }
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn changes_coalesce_and_logs_are_bounded() {
        let board = Arc::new(Board::default());
        let mut notices = Notices::new(board.clone());
        for n in 0..1000_i32 {
            board.pin(Notice::ToolsChanged);
            board.pin(Notice::ResourceUpdated(format!("test://{}", n % 3)));
            board.pin(Notice::Log([("n", n)].into_iter().collect()));
        }
        board.close();
        let mut seen = Vec::new();
        while let Some(notice) = notices.next().await {
            seen.push(notice);
        }
        assert_eq!(seen.len(), 1 + 3 + LOGS_MAX);
        assert_eq!(seen[0], Notice::ToolsChanged);
        assert_eq!(
            seen[seen.len() - 1],
            Notice::Log([("n", 999)].into_iter().collect())
        );
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let board = Arc::new(Board::default());
        let mut notices = Notices::new(board.clone());
        let reader = tokio::spawn(async move { notices.next().await });
        tokio::task::yield_now().await;
        board.pin(Notice::PromptsChanged);
        assert_eq!(reader.await.unwrap(), Some(Notice::PromptsChanged));
    }
}
