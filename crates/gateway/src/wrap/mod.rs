//! MCP over standard input and output: a thin client of the local gateway for agents that only speak stdio.

use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};

/// Why the wrapper stopped. All of these are about this machine, not about a message.
#[derive(Debug, thiserror::Error)]
pub enum WrapError {
    /// The URL is not `http://` with a loopback host.
    #[error("`{0}` is not an address of a local gateway: it has to be `http://127.0.0.1:PORT/mcp[/SERVER]`")]
    BadUrl(String),
    /// Standard input or output broke.
    #[error("standard input or output broke: {0}")]
    Io(#[from] std::io::Error),
}

/// Forwards each line of `input` to the gateway at `url` and writes what comes back to `output`, one message per
/// line, until `input` ends and all answers are written, or `output` is closed.
///
/// # Errors
/// [`WrapError`]; a gateway that cannot be reached or refuses is told to the client as JSON-RPC errors instead.
pub async fn run<R, W>(url: Uri, token: String, input: R, output: W) -> Result<(), WrapError>
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let _ = (token, input, output);
    Err(WrapError::BadUrl(url.to_string()))
}
