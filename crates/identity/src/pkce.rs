//! PKCE (RFC 7636): `S256` alone.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use remit_core::digest::Digest;

use crate::b64;

/// The one method there is.
pub const METHOD: &str = "S256";

/// True when `text` can be a `code_challenge`: base64url of 32 bytes.
#[must_use]
pub fn is_challenge(text: &str) -> bool {
    b64::decode(text).is_some_and(|bytes| bytes.len() == 32)
}

/// The challenge of a verifier (4.2); `None` when it is no verifier: 43 to 128 of `A-Z a-z 0-9 - . _ ~` (4.1).
#[must_use]
pub fn challenge(verifier: &str) -> Option<String> {
    let letters = verifier
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b));
    ((43..=128).contains(&verifier.len()) && letters)
        .then(|| b64::encode(Digest::of(verifier.as_bytes()).as_bytes()))
}

/// True when `verifier` is the one `expected` was made from (4.6).
#[must_use]
pub fn matches(verifier: &str, expected: &str) -> bool {
    challenge(verifier)
        .is_some_and(|made| verify_slices_are_equal(made.as_bytes(), expected.as_bytes()).is_ok())
}
