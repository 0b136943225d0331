//! Event streams of a server: of one request, of everything (legacy GET), or of a subscription.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use remit_core::limits::RESPONSE_BYTES_MAX;

use super::dial::Dialled;
use super::leg::HttpLeg;
use super::response::{Kind, cut_short, kind};
use crate::error::{ErrorKind, Sent};
use crate::event::Reply;
use crate::notices::Notice;
use crate::wire::Failure;
use crate::wire::message;
use crate::wire::router::Handled;
use crate::wire::sse::{Event, Parser};

/// Most bytes of one stream that belongs to one call.
const CALL_STREAM_BYTES_MAX: usize = 4 * RESPONSE_BYTES_MAX;
/// Longest event on a stream that belongs to no call, in bytes.
const NOTICE_BYTES_MAX: usize = 1024 * 1024;
/// How often a broken stream of one call is taken up again.
const RESUMES_MAX: usize = 10;
/// Wait before a stream is taken up again, when the server does not say, and the bounds of what it may say.
const RETRY_MS: u64 = 500;
const RETRY_MS_MIN: u64 = 20;
const RETRY_MS_MAX: u64 = 5000;
/// Longest wait before the notification stream is opened again.
const REOPEN_MS_MAX: u64 = 30_000;

/// Where a stream broke off.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    last_id: Option<Vec<u8>>,
    retry_ms: Option<u64>,
}

impl Cursor {
    fn pause(&self) -> Duration {
        let ms = self.retry_ms.unwrap_or(RETRY_MS);
        Duration::from_millis(ms.clamp(RETRY_MS_MIN, RETRY_MS_MAX))
    }

    fn note(&mut self, event: &Event) {
        if let Some(id) = &event.id {
            self.last_id = (!id.is_empty()).then(|| id.clone());
        }
        self.retry_ms = event.retry_ms.or(self.retry_ms);
    }
}

/// Whose stream it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// A request's; its answer ends it.
    Call(u64),
    /// A `subscriptions/listen` request's, which is never answered while it lives.
    Listen(u64),
    /// Nobody's.
    All,
}

impl HttpLeg {
    /// Reads a stream until it gives the answer (`Some`) or ends (`None`).
    pub(crate) async fn follow(
        self: &Arc<Self>,
        response: &mut Response<Incoming>,
        of: Of,
        cursor: &mut Cursor,
    ) -> Result<Option<Reply>, Failure> {
        let (on, event_max, total_max) = match of {
            Of::Call(id) => (Some(id), RESPONSE_BYTES_MAX, CALL_STREAM_BYTES_MAX),
            Of::Listen(id) => (Some(id), NOTICE_BYTES_MAX, usize::MAX),
            Of::All => (None, NOTICE_BYTES_MAX, usize::MAX),
        };
        let mut parser = Parser::new(event_max);
        let mut events = VecDeque::new();
        let mut total = 0_usize;
        while let Some(frame) = response.body_mut().frame().await {
            let frame = frame.map_err(|e| cut_short(&e))?;
            let Some(data) = frame.data_ref() else { continue };
            total = total.saturating_add(data.len());
            let too_long = parser.feed(data, &mut events).is_err();
            while let Some(event) = events.pop_front() {
                cursor.note(&event);
                if let Some(reply) = self.take(&event.data, on)? {
                    return Ok(Some(reply));
                }
            }
            if too_long || total > total_max {
                return Err(Failure::new(
                    ErrorKind::TooLarge,
                    Sent::Yes,
                    format!("more than {event_max} bytes in one event or {total_max} in one stream"),
                ));
            }
        }
        Ok(None)
    }

    fn take(self: &Arc<Self>, data: &[u8], on: Option<u64>) -> Result<Option<Reply>, Failure> {
        if data.is_empty() {
            return Ok(None);
        }
        let handled = message::parse(data)
            .and_then(|message| self.router.handle(self.era(), message, on))
            .map_err(|flaw| Failure::protocol(Sent::Yes, flaw.0))?;
        match handled {
            Handled::Done => {}
            Handled::Answer(reply) => return Ok(Some(reply)),
            reply => self.reply(reply)?,
        }
        Ok(None)
    }

    /// Takes up a legacy call's stream that ended before the answer: the call itself is never sent again.
    pub(crate) async fn resume(
        self: &Arc<Self>,
        id: u64,
        mut cursor: Cursor,
    ) -> Result<(Reply, Dialled, Response<Incoming>), Failure> {
        let gone = || {
            Failure::new(
                ErrorKind::Gone,
                Sent::Maybe,
                "it closed the stream before its answer",
            )
        };
        for _ in 0..RESUMES_MAX {
            let Some(last) = cursor.last_id.clone() else {
                return Err(gone());
            };
            tokio::time::sleep(cursor.pause()).await;
            let (dialled, mut response) = self.get(Some(&last)).await.map_err(|e| e.having(Sent::Maybe))?;
            if response.status() != StatusCode::OK || kind(&response)? != Kind::Events {
                return Err(gone());
            }
            if let Some(reply) = self.follow(&mut response, Of::Call(id), &mut cursor).await? {
                return Ok((reply, dialled, response));
            }
        }
        Err(gone())
    }

    /// Keeps the legacy notification stream open while the session lives, where the server offers one.
    pub(crate) async fn keep_listening(self: Arc<Self>) {
        let mut cursor = Cursor::default();
        let mut failures = 0_u32;
        loop {
            let opened = self.get(cursor.last_id.as_deref()).await;
            if let Ok((_dialled, mut response)) = opened {
                let events = matches!(kind(&response), Ok(Kind::Events));
                match response.status() {
                    StatusCode::OK if events => {
                        if failures > 0 && cursor.last_id.is_none() {
                            self.missed();
                        }
                        failures = 0;
                        if let Err(failure) = self.follow(&mut response, Of::All, &mut cursor).await
                            && failure.kind != ErrorKind::Gone
                        {
                            tracing::warn!(server = %self.server(), why = %failure.explain(), "notification stream given up");
                            return;
                        }
                    }
                    // Not offered, or the session is gone: whoever calls next finds out.
                    status if status.is_client_error() || status.is_success() => return,
                    _ => {}
                }
            }
            failures = failures.saturating_add(1);
            let backoff = RETRY_MS.saturating_mul(1 << failures.min(10)).min(REOPEN_MS_MAX);
            tokio::time::sleep(if failures == 1 {
                cursor.pause()
            } else {
                Duration::from_millis(backoff)
            })
            .await;
        }
    }

    /// While there was no stream anything may have changed.
    fn missed(&self) {
        for notice in [
            Notice::ToolsChanged,
            Notice::PromptsChanged,
            Notice::ResourcesChanged,
        ] {
            self.router.board.pin(notice);
        }
    }
}
