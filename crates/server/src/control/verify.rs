//! `/v1/verify`, `/v1/export`, `/v1/checkpoint`

use std::io::{self, Write};

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::Control;
use super::body::Body;
use super::error::{Answer, Refusal};
use super::stream;
use crate::evidence::{checkpoint, export as exporting, verify as verifying};

/// Bytes gathered before they are handed to the connection.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for a slow reader before the export has to.
const BACKLOG: usize = 8;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Verify {
    checkpoint: Option<String>,
}

pub(super) async fn verify(State(Control { app, .. }): State<Control>, Body(body): Body<Verify>) -> Answer {
    let verified = verifying::verify(&app, body.checkpoint).await?;
    let report = &verified.report;
    let mut findings: Vec<Value> = report
        .findings
        .iter()
        .map(|finding| {
            json!({
                "kind": finding.kind.as_str(),
                "seq": finding.from,
                "to": finding.to,
                "sentence": finding.to_string(),
            })
        })
        .collect();
    findings.extend(
        verified
            .columns
            .iter()
            .map(|sentence| json!({"kind": "columns", "sentence": sentence})),
    );
    Ok(Json(json!({
        "ok": verified.is_ok(),
        "records": report.records,
        "checkpoints": report.checkpoints,
        "held": report.held,
        "tail": report.tail,
        "head": report.head.as_ref().map(|head| json!({"size": head.size(), "root": head.root().to_string()})),
        "origin": checkpoint::origin(&app),
        "key": checkpoint::verifier(&app)?.to_string(),
        "findings": findings,
        "more": report.more,
    })))
}

/// The whole ledger, as a stream.
pub(super) async fn export(State(Control { app, .. }): State<Control>) -> Result<Response, Refusal> {
    let (sender, receiver) = mpsc::channel(BACKLOG);
    tokio::spawn(async move {
        let out = Chunks {
            gathered: Vec::with_capacity(CHUNK),
            sender,
        };
        match exporting::export(&app, out).await {
            Ok(mut out) => {
                // The last chunk; when nobody reads any more, nobody misses it.
                let _ = tokio::task::spawn_blocking(move || out.flush()).await;
            }
            Err(failure) => tracing::warn!(%failure, "an export ended before its end"),
        }
    });
    Ok(stream::bytes(receiver, "application/x-ndjson"))
}

pub(super) async fn checkpoint(State(Control { app, .. }): State<Control>) -> Result<String, Refusal> {
    Ok(checkpoint::sign(&app).await?.to_string())
}

/// Writes into a channel, from a thread that may wait.
struct Chunks {
    gathered: Vec<u8>,
    sender: mpsc::Sender<Bytes>,
}

impl Write for Chunks {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::take(&mut self.gathered));
        self.sender
            .blocking_send(chunk)
            .map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}
