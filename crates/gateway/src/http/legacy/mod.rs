//! The legacy leg (2025-11-25 and earlier): `initialize`, sessions, GET streams, requests to the client.

mod listen;
mod post;
mod replay;
mod session;
mod sessions;

pub(crate) use listen::{end, listen};
pub(crate) use post::post;
pub(crate) use session::{LegacySession, Registered};
pub(crate) use sessions::Sessions;

/// The header that names a session.
pub(crate) const SESSION: &str = "mcp-session-id";
