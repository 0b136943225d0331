//! Answers that are read as a whole: those that wait for a held request's agent, and those that may hold a credential, which
//! is taken out of them.

use std::sync::Arc;

use remit_core::id::CallId;
use remit_core::lease::Lease;
use remit_core::limits::RESPONSE_BYTES_MAX;
use remit_core::name::Name;
use remit_egress::ports::{Answer, Response};
use remit_upstream::UpstreamError;
use tokio::sync::mpsc;

use super::send::Out;
use crate::app::{App, Failure};
use crate::broker::minted;
use crate::engine::decide::Prepared;
use crate::engine::live::Live;

/// The lease of what a request may mint, planned before it leaves.
pub(super) async fn may_mint(
    app: &Arc<App>,
    live: &Arc<Live>,
    prepared: &Prepared,
    call: CallId,
) -> Result<Option<Lease>, Failure> {
    let mints = prepared.classification().is_some_and(|class| class.marks.mints);
    if !mints {
        return Ok(None);
    }
    minted::plan(app, live, prepared, call).await.map(Some)
}

/// What becomes of that lease when there is no answer to look into.
pub(super) async fn not_minted(
    app: &Arc<App>,
    lease: Option<&Lease>,
    error: &UpstreamError,
) -> Result<(), Failure> {
    match lease {
        None => Ok(()),
        Some(lease) if error.is_certain_failure() => {
            minted::nothing(app, lease, "the request was not done").await
        }
        Some(lease) => minted::unknown(app, lease, "the request has no answer").await,
    }
}

/// An answer as a whole.
pub(super) struct Read {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Read {
    pub(super) async fn of(system: &Name, out: Out) -> Result<Self, UpstreamError> {
        let Out {
            mut response,
            environment,
            ..
        } = out;
        let mut body = Vec::new();
        loop {
            match response.body.next(system, &environment).await? {
                Some(piece) if body.len() + piece.len() <= RESPONSE_BYTES_MAX => {
                    body.extend_from_slice(&piece);
                }
                Some(_) => {
                    return Err(UpstreamError {
                        server: system.clone(),
                        kind: remit_upstream::ErrorKind::TooLarge,
                        sent: remit_upstream::Sent::Yes,
                        detail: format!("an answer longer than {RESPONSE_BYTES_MAX} bytes cannot be kept"),
                    });
                }
                None => break,
            }
        }
        Ok(Self {
            status: response.status,
            headers: response.headers,
            body,
        })
    }

    /// As the agent gets it.
    pub(super) fn answer(self) -> Answer {
        let (sender, receiver) = mpsc::channel(1);
        let length = self.body.len() as u64;
        if !self.body.is_empty() {
            // There is room for one.
            let _ = sender.try_send(Ok(self.body.into()));
        }
        Answer::Response(Response {
            status: self.status,
            headers: self.headers,
            length: Some(length),
            body: receiver,
        })
    }
}

/// Reads an answer that may hold a credential, and takes it out. What cannot be looked into is not passed on.
pub(super) async fn read_whole(
    app: &Arc<App>,
    live: &Arc<Live>,
    lease: &mut Lease,
    prepared: &Prepared,
    out: Out,
) -> Result<Read, UpstreamError> {
    let system = &prepared.call.server;
    let withheld = |why: String| UpstreamError {
        server: system.clone(),
        kind: remit_upstream::ErrorKind::Protocol,
        sent: remit_upstream::Sent::Yes,
        detail: format!("its answer is withheld: {why}"),
    };
    let carried = out.carried.clone();
    let read = Read::of(system, out).await;
    let captured = match &read {
        Ok(read) => {
            let captured = minted::capture(app, live, lease, prepared, &carried, &read.body).await;
            captured.map_err(|failure| failure.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    match (read, captured) {
        (Ok(mut read), Ok(body)) => {
            // What was taken out of the body stands in no header either.
            let known = app.broker.opened();
            read.headers
                .retain(|(_, value)| !known.iter().any(|secret| value.contains(secret.as_str())));
            Ok(Read { body, ..read })
        }
        (read, Err(why)) => {
            // Recorded as what it is: perhaps made, and nobody here can end it.
            if let Err(failure) = minted::unknown(app, lease, &why).await {
                tracing::error!(lease = %lease.id, %failure, "what a system may have minted could not be recorded");
            }
            Err(read.err().unwrap_or_else(|| withheld(why)))
        }
        (Err(error), Ok(_)) => Err(error),
    }
}
