//! MCP over standard input and output: a thin client of the local gateway for agents that only speak stdio.
//!
//! It runs in the agent's process tree, so it holds nothing but the run's token: every line goes to the gateway as it
//! came and is decided there.

mod lines;
mod link;
mod talk;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::Uri;
use remit_core::json::Value;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::rpc::{self, Id, Incoming, RpcError};

use lines::{Line, Lines};
use link::Link;
use talk::Talk;

/// Messages that wait for a slow reader of our output.
const QUEUED: usize = 64;

/// Why the wrapper stopped. All of these are about this machine, not about a message.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// The URL is not `http://` with a loopback host.
    #[error("`{0}` is not an address of a local gateway: it has to be `http://127.0.0.1:PORT/mcp[/SERVER]`")]
    BadUrl(String),
    /// The token cannot stand in a header.
    #[error("the token holds characters no token of ours has: copy it again from `remit task open`")]
    BadToken,
    /// Standard input or output broke.
    #[error("standard input or output broke: {0}")]
    Io(#[from] std::io::Error),
}

/// Forwards each line of `input` to the gateway at `url` and writes what comes back to `output`, one message per
/// line, until `input` ends and all answers are written, or `output` is closed. Where the gateway has a `socket` that we
/// may open, it goes over that.
///
/// # Errors
/// [`WrapError`]; a gateway that cannot be reached or refuses is told to the client as JSON-RPC errors instead.
pub async fn run<R, W>(
    url: Uri,
    socket: Option<PathBuf>,
    token: String,
    input: R,
    output: W,
) -> Result<(), WrapError>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let link = Link::new(&url, socket, &token)?;
    let (sender, messages) = mpsc::channel(QUEUED);
    let writer = tokio::spawn(write(output, messages));
    let mut wrapper = Wrapper {
        talk: Arc::new(Talk::new(link, sender.clone())),
        output: sender,
        requests: JoinSet::new(),
        running: HashMap::new(),
    };
    let mut lines = Lines::new(input);
    loop {
        tokio::select! {
            line = lines.next() => match line? {
                Line::Message(line) => wrapper.line(line).await,
                Line::TooLong => {
                    let text = "the line is longer than a request may be: send less";
                    wrapper.say(rpc::error(None, &RpcError::invalid_request(text))).await;
                }
                Line::End => break,
            },
            () = wrapper.output.closed() => break,
            Some(_) = wrapper.requests.join_next() => {}
        }
    }
    wrapper.end().await;
    match writer.await {
        Ok(written) => Ok(written?),
        Err(broken) => Err(WrapError::Io(std::io::Error::other(broken))),
    }
}

async fn write<W: AsyncWrite + Unpin>(
    mut output: W,
    mut messages: mpsc::Receiver<Vec<u8>>,
) -> std::io::Result<()> {
    while let Some(mut message) = messages.recv().await {
        message.push(b'\n');
        output.write_all(&message).await?;
        output.flush().await?;
    }
    Ok(())
}

struct Wrapper {
    talk: Arc<Talk>,
    output: mpsc::Sender<Vec<u8>>,
    requests: JoinSet<()>,
    /// Requests by id, to be cancelled. Finished ones are swept out now and then.
    running: HashMap<String, AbortHandle>,
}

impl Wrapper {
    async fn say(&self, message: Vec<u8>) {
        // A closed output ends the loop that called us.
        let _ = self.output.send(message).await;
    }

    async fn line(&mut self, line: Bytes) {
        let incoming = match rpc::read(&line) {
            Ok(incoming) => incoming,
            Err(fault) => return self.say(rpc::error(fault.id.as_ref(), &fault.error)).await,
        };
        match incoming {
            Incoming::Request { id, method, .. } if method == "initialize" => {
                self.talk.initialize(&id, line).await;
            }
            Incoming::Request { id, method, params } => {
                self.running.retain(|_, request| !request.is_finished());
                let key = id.key();
                let talk = Arc::clone(&self.talk);
                let request = async move { talk.request(&id, &method, &params, line).await };
                let handle = self.requests.spawn(request);
                self.running.insert(key, handle);
            }
            Incoming::Notification { method, mut params } => {
                if self.talk.is_legacy() {
                    self.talk.tell(line).await;
                    if method == "notifications/initialized" {
                        self.talk.listen();
                    }
                } else if method == "notifications/cancelled" {
                    // In the modern revision the gateway learns it from the closed connection.
                    let id = params.remove("requestId").and_then(Id::from_value);
                    if let Some(request) = id.and_then(|id| self.running.remove(&id.key())) {
                        request.abort();
                    }
                }
            }
            Incoming::Response { .. } => self.talk.tell(line).await,
        }
    }

    /// Lets running requests end, then the session.
    async fn end(mut self) {
        let finish = async { while self.requests.join_next().await.is_some() {} };
        tokio::select! {
            () = finish => {}
            () = self.output.closed() => {}
        }
        self.talk.end().await;
    }
}

/// The string member of an object.
fn text<'a>(object: &'a remit_core::json::Object, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}
