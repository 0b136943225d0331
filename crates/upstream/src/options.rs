//! What a caller says about one connection and about one call, beyond what was decided.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use remit_core::authority::ClientFeature;
use remit_core::json::Value;
use remit_core::limits::UPSTREAM_CALL_MS_MAX;
use tokio::sync::mpsc;

use crate::http::credential::Credential;
use crate::mirror::MirroredHeader;

/// The MCP revision a leg speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Era {
    /// 2025-11-25 and earlier: `initialize`, sessions, server→client requests.
    Legacy,
    /// 2026-07-28: stateless, `_meta` per request, multi-round-trip requests.
    Modern,
}

/// How a connection is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The revision to try first: the client's.
    pub prefer: Era,
    /// What a legacy server is told the client can do; a modern one is told with each call.
    pub features: Vec<ClientFeature>,
    /// The client can open addresses for the user (URL mode elicitation).
    pub elicitation_url: bool,
    /// What is presented to a server at an address; a server we start gets none.
    pub credential: Credential,
    /// A server we start gets a network with nothing in it but one listener ([`remit_confine::WAY_OUT`]), which goes here
    /// before the server runs. Where that cannot be, it does not start.
    pub way_out: Option<mpsc::UnboundedSender<TcpListener>>,
}

/// How one call is made.
#[derive(Clone, Debug)]
pub struct CallOptions {
    /// What the server may ask of the client during this call. Anything else is refused here.
    pub features: Vec<ClientFeature>,
    /// The client can open addresses for the user (URL mode elicitation).
    pub elicitation_url: bool,
    /// Progress notifications are wanted.
    pub wants_progress: bool,
    /// Least level of log messages wanted (`debug` … `emergency`); without it none are delivered.
    pub log_level: Option<String>,
    /// Further round of a multi-round-trip request; modern servers only.
    pub continuation: Option<Continuation>,
    /// Arguments the admitted tool wants mirrored into headers, from [`mirrored_headers`](crate::mirrored_headers).
    pub mirrored: Arc<[MirroredHeader]>,
    /// Longest wait for the answer, capped by [`UPSTREAM_CALL_MS_MAX`].
    pub timeout: Duration,
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            features: Vec::new(),
            elicitation_url: false,
            wants_progress: false,
            log_level: None,
            continuation: None,
            mirrored: Arc::from([]),
            timeout: Duration::from_millis(UPSTREAM_CALL_MS_MAX),
        }
    }
}

/// `inputResponses` and `requestState` of a multi-round-trip request (MCP 2026-07-28, SEP-2322).
#[derive(Clone, Debug, Default)]
pub struct Continuation {
    /// The answers, as the client gave them.
    pub input_responses: Option<Value>,
    /// The opaque state the server gave.
    pub request_state: Option<String>,
}
