//! The protocol without its transports: what is written, what is read, to whom it belongs. Knows calls, not permits.

pub(crate) mod gate;
pub(crate) mod header;
pub(crate) mod life;
pub(crate) mod message;
pub(crate) mod request;
pub(crate) mod router;
pub(crate) mod sse;

use std::fmt;

use remit_core::name::Name;

use crate::error::{ErrorKind, Sent, UpstreamError};
use crate::scrub::Scrubber;

/// The current revision.
pub(crate) const MODERN: &str = "2026-07-28";
/// The newest legacy revision, which is the one we offer.
pub(crate) const LEGACY: &str = "2025-11-25";
/// Legacy revisions we can live with when a server insists.
pub(crate) const LEGACY_KNOWN: [&str; 4] = [LEGACY, "2025-06-18", "2025-03-26", "2024-11-05"];

/// Most characters of a server's own words in an error.
pub(crate) const EXCERPT_MAX: usize = 300;
/// Most characters of an error's particulars.
const DETAIL_MAX: usize = 1000;

/// An [`UpstreamError`] that does not know yet which server it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) sent: Sent,
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, sent: Sent, detail: impl fmt::Display) -> Self {
        Self {
            kind,
            sent,
            detail: detail.to_string(),
        }
    }

    /// The protocol was broken in the answer to something that was sent.
    pub(crate) fn protocol(sent: Sent, detail: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Protocol, sent, detail)
    }

    /// Kind and particulars in one sentence.
    pub(crate) fn explain(&self) -> String {
        if self.detail.is_empty() {
            self.kind.to_string()
        } else {
            format!("{}: {}", self.kind, self.detail)
        }
    }

    /// The same, knowing how far the request got.
    pub(crate) fn having(mut self, sent: Sent) -> Self {
        self.sent = sent;
        self
    }

    /// The error callers see: particulars may hold a server's own words, so they are cleaned here at the latest.
    pub(crate) fn at(self, server: &Name, scrubber: &Scrubber) -> UpstreamError {
        UpstreamError {
            server: server.clone(),
            kind: self.kind,
            sent: self.sent,
            detail: scrubber.excerpt(&self.detail, DETAIL_MAX),
        }
    }
}
