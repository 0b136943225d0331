//! An event stream that outlives the connection it is sent over: a legacy client that lost it asks for the rest with
//! `Last-Event-ID`.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use remit_core::limits::REPLAY_EVENTS_MAX;
use tokio::sync::Notify;

/// The events of one stream, the latest [`REPLAY_EVENTS_MAX`] of them.
#[derive(Debug)]
pub(crate) struct Replay {
    number: u64,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Place of the first event kept.
    first: u64,
    events: VecDeque<Bytes>,
    closed: bool,
}

impl Replay {
    /// Stream `number` of a session. With `primer` it begins with an event without data, so that a client has an id to
    /// come back with from the start.
    pub(crate) fn new(number: u64, primer: bool) -> Self {
        let replay = Self {
            number,
            state: Mutex::default(),
            changed: Notify::new(),
        };
        if primer {
            replay.push(b"");
        }
        replay
    }

    /// Which stream of its session this is.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    /// Appends one message; an empty one is a primer.
    pub(crate) fn push(&self, message: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let place = state.first + state.events.len() as u64;
        let mut event = format!("event: message\nid: {}-{place}\ndata: ", self.number).into_bytes();
        event.extend_from_slice(message);
        event.extend_from_slice(b"\n\n");
        if state.events.len() >= REPLAY_EVENTS_MAX {
            state.events.pop_front();
            state.first += 1;
        }
        state.events.push_back(Bytes::from(event));
        drop(state);
        self.changed.notify_waiters();
    }

    /// Nothing comes after what is here.
    pub(crate) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
        self.changed.notify_waiters();
    }

    /// The event at `place` or the first one kept after it, moving `place` behind it; waits for it. `None` at the end.
    /// Safe to cancel.
    pub(crate) async fn next(&self, place: &mut u64) -> Option<Bytes> {
        loop {
            // Made before the look, so that nothing pushed after it is missed.
            let changed = self.changed.notified();
            {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let at = (*place).max(state.first);
                let index = usize::try_from(at - state.first).unwrap_or(usize::MAX);
                if let Some(event) = state.events.get(index) {
                    *place = at + 1;
                    return Some(event.clone());
                }
                if state.closed {
                    return None;
                }
            }
            changed.await;
        }
    }
}

/// Stream number and place of an event id of ours.
pub(crate) fn parse_id(text: &str) -> Option<(u64, u64)> {
    let (number, place) = text.split_once('-')?;
    Some((number.parse().ok()?, place.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_late_reader_gets_what_is_kept() {
        let replay = Replay::new(3, true);
        for n in 0..REPLAY_EVENTS_MAX {
            replay.push(format!("{n}").as_bytes());
        }
        replay.close();
        let mut place = 0;
        let first = replay.next(&mut place).await.unwrap();
        assert_eq!(first, Bytes::from("event: message\nid: 3-1\ndata: 0\n\n"));
        let mut count = 1;
        while replay.next(&mut place).await.is_some() {
            count += 1;
        }
        assert_eq!(count, REPLAY_EVENTS_MAX);
    }

    #[tokio::test]
    async fn a_waiting_reader_is_woken() {
        let replay = std::sync::Arc::new(Replay::new(1, false));
        let reader = tokio::spawn({
            let replay = replay.clone();
            async move {
                let mut place = 0;
                (replay.next(&mut place).await, replay.next(&mut place).await)
            }
        });
        tokio::task::yield_now().await;
        replay.push(b"x");
        replay.close();
        let (event, end) = reader.await.unwrap();
        assert_eq!(
            event.unwrap(),
            Bytes::from("event: message\nid: 1-0\ndata: x\n\n")
        );
        assert!(end.is_none());
    }
}
