//! Run tokens: opaque, 256 bits, shown once, stored hashed, dead at once.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use remit_core::digest::Digest;
use remit_core::entropy::{Entropy, NoEntropy};

/// What stands in front, so that scanners find a leaked one.
const PREFIX: &str = "remit_";
/// Letters after the prefix: 32 bytes in base64url.
const LETTERS: usize = 43;

/// A fresh token and the digest that is stored.
///
/// # Errors
/// [`NoEntropy`] when the system gives no randomness.
pub fn fresh(entropy: &dyn Entropy) -> Result<(String, Digest), NoEntropy> {
    let mut secret = [0_u8; 32];
    entropy.fill(&mut secret)?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(secret));
    let digest = Digest::of(token.as_bytes());
    Ok((token, digest))
}

/// The digest a presented token is found by; `None` when it cannot be one of ours.
///
/// Looked up by digest, so the comparison with stored tokens takes no time that depends on a secret.
#[must_use]
pub fn digest(presented: &str) -> Option<Digest> {
    let letters = presented.strip_prefix(PREFIX)?;
    let plain = letters.len() == LETTERS
        && letters
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    plain.then(|| Digest::of(presented.as_bytes()))
}

/// Compares two secrets in constant time.
#[must_use]
pub fn same(a: &[u8], b: &[u8]) -> bool {
    verify_slices_are_equal(a, b).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use remit_core::entropy::SystemEntropy;

    #[test]
    fn a_token_is_found_by_its_digest_only() {
        let (token, stored) = fresh(&SystemEntropy).unwrap();
        assert_eq!(digest(&token), Some(stored));
        assert_eq!(digest(&token.replace("remit_", "remit-")), None);
        assert_eq!(digest(&token[..token.len() - 1]), None);
        assert_ne!(fresh(&SystemEntropy).unwrap().0, token);
    }
}
