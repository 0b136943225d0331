//! Answers that go on: JSON lines, until nobody reads or we stop.

use std::convert::Infallible;
use std::future::Future;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::app::Failure;

/// Lines that wait for a slow reader before the writer has to.
const BACKLOG: usize = 64;

/// Why a stream ended before its time.
pub(super) enum Ended {
    /// The reader went away.
    NobodyReads,
    /// It could not go on.
    Failure(Failure),
}

impl<F: Into<Failure>> From<F> for Ended {
    fn from(failure: F) -> Self {
        Self::Failure(failure.into())
    }
}

/// Where lines go.
pub(super) struct Lines(mpsc::Sender<Bytes>);

impl Lines {
    /// Sends one line.
    pub(super) async fn send(&self, line: &Value) -> Result<(), Ended> {
        self.0
            .send(Bytes::from(format!("{line}\n")))
            .await
            .map_err(|_| Ended::NobodyReads)
    }
}

/// An answer of the lines `write` sends.
pub(super) fn lines<W, F>(mut stopping: watch::Receiver<bool>, write: W) -> Response
where
    W: FnOnce(Lines) -> F,
    F: Future<Output = Result<(), Ended>> + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(BACKLOG);
    let gone = sender.clone();
    let writing = write(Lines(sender));
    tokio::spawn(async move {
        tokio::select! {
            ended = writing => if let Err(Ended::Failure(failure)) = ended {
                tracing::warn!(%failure, "a stream of the control listener ended");
            },
            () = gone.closed() => {}
            // A sender that is gone is a stop too.
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    });
    bytes(receiver, "application/x-ndjson")
}

/// An answer of bytes as they come.
pub(super) fn bytes(receiver: mpsc::Receiver<Bytes>, kind: &'static str) -> Response {
    let body = stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(chunk), receiver))
    });
    let mut response = Response::new(Body::from_stream(body));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}
