//! What a legacy server remembers of us: its session id and the version agreed on.

use http::HeaderValue;

/// Longest session id taken, in bytes.
const SESSION_BYTES_MAX: usize = 512;

/// State of the conversation over HTTP.
#[derive(Clone, Debug, Default)]
pub(crate) struct Session {
    /// `Mcp-Session-Id`, where the server gave one.
    pub(crate) id: Option<HeaderValue>,
    /// `MCP-Protocol-Version`; absent until agreed on.
    pub(crate) version: Option<HeaderValue>,
    /// How often a session was opened.
    pub(crate) generation: u64,
    /// `Authorization`, as it stands at the moment of asking.
    pub(crate) authorization: Option<HeaderValue>,
}

/// A session id as the specification wants it: visible ASCII. It is a secret, so it is kept out of logs.
pub(crate) fn session_id(value: &HeaderValue) -> Option<HeaderValue> {
    let bytes = value.as_bytes();
    let visible = !bytes.is_empty() && bytes.iter().all(|b| (0x21..=0x7e).contains(b));
    (visible && bytes.len() <= SESSION_BYTES_MAX).then(|| {
        let mut id = value.clone();
        id.set_sensitive(true);
        id
    })
}
