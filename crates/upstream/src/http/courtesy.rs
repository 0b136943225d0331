//! What is said beside requests: answers to the server's questions, notifications, streams to listen to, good-bye.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use hyper::body::Incoming;

use super::dial::Dialled;
use super::leg::HttpLeg;
use super::request;
use super::response::{REFUSAL_BYTES_MAX, whole};
use crate::answer::Settled;
use crate::error::{ErrorKind, Sent};
use crate::wire::Failure;
use crate::wire::router::Handled;

/// Most answers to the server's own requests under way at once.
pub(super) const REPLIES_MAX: usize = 32;
/// How long a message without an answer of its own may take.
const COURTESY: Duration = Duration::from_secs(10);
/// How long a good-bye may take.
const GOOD_BYE: Duration = Duration::from_secs(1);

impl HttpLeg {
    /// Opens a legacy event stream.
    pub(crate) async fn get(&self, last: Option<&[u8]>) -> Result<(Dialled, Response<Incoming>), Failure> {
        let session = self.session();
        let request = request::events(&self.dialler.endpoint, &session, last)?;
        let mut dialled = self.dialler.dial().await?;
        let response = dialled
            .sender
            .send_request(request)
            .await
            .map_err(|e| Failure::new(ErrorKind::Gone, Sent::Maybe, e))?;
        self.credential.note(
            response.status(),
            response.headers(),
            session.authorization.as_ref(),
        );
        Ok((dialled, response))
    }

    /// Answers something the server asked.
    pub(crate) fn reply(self: &Arc<Self>, reply: Handled) -> Result<(), Failure> {
        let Ok(permit) = self.replies.clone().try_acquire_owned() else {
            return Err(Failure::protocol(
                Sent::Yes,
                format!("it asks more than {REPLIES_MAX} things at once"),
            ));
        };
        let leg = self.clone();
        tokio::spawn(async move {
            let settled = match reply {
                Handled::Ask(ask) => leg.answering.settle(ask).await,
                Handled::Send(body) => Settled::ours(body),
                Handled::Done | Handled::Answer(_) => return,
            };
            if let Err(failure) = leg.tell(settled).await {
                tracing::warn!(server = %leg.server(), why = %failure.explain(), "an answer to the server was lost");
            }
            drop(permit);
        });
        Ok(())
    }

    /// Sends a message that has no answer of its own.
    pub(crate) async fn tell(&self, message: Settled) -> Result<(), Failure> {
        let body = Bytes::copy_from_slice(&message.body);
        let post = async {
            let request = request::message(&self.dialler.endpoint, &self.session(), body)?;
            self.answering.check(&message)?;
            let mut dialled = match self.idle().await {
                Some(dialled) => dialled,
                None => self.dialler.dial().await?,
            };
            self.answering.check(&message)?;
            let mut response = dialled
                .sender
                .send_request(request)
                .await
                .map_err(|e| Failure::new(ErrorKind::Gone, Sent::Maybe, e))?;
            let status = response.status();
            whole(&mut response, REFUSAL_BYTES_MAX).await?;
            self.pool.put(dialled);
            if status.is_success() {
                Ok(())
            } else {
                Err(Failure::new(ErrorKind::Refused(status.as_u16()), Sent::Yes, ""))
            }
        };
        match tokio::time::timeout(COURTESY, post).await {
            Ok(done) => done,
            Err(_) => Err(Failure::new(ErrorKind::TimedOut, Sent::Maybe, "")),
        }
    }

    /// Ends the session and closes every connection.
    pub(crate) async fn close(&self) {
        if !self.life.end(ErrorKind::Closed, "") {
            return;
        }
        let listener = self
            .listener
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(listener) = listener {
            listener.abort();
        }
        let session = self.session();
        if session.id.is_some() {
            let bye = async {
                let request = request::end(&self.dialler.endpoint, &session).ok()?;
                let mut dialled = match self.idle().await {
                    Some(dialled) => dialled,
                    None => self.dialler.dial().await.ok()?,
                };
                dialled.sender.send_request(request).await.ok()
            };
            // Courtesy only: a server forgets sessions by itself, too.
            drop(tokio::time::timeout(GOOD_BYE, bye).await);
        }
        self.pool.clear();
    }
}
