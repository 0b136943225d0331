//! Standard base64 (RFC 4648 section 4), padded, with one spelling per value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Text of `bytes`.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Bytes of `text`; wrong padding, stray bits and other letters give `None`.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}
