//! Tree hashes: RFC 6962 section 2.1 domain separation over SHA-256.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};

use crate::base64;

/// Domain byte of a leaf (RFC 6962 section 2.1).
const LEAF: u8 = 0x00;
/// Domain byte of an inner node (RFC 6962 section 2.1).
const NODE: u8 = 0x01;
/// Leaves up to this many bytes are hashed in one go from the stack.
const ONE_SHOT_BYTES: usize = 1023;

/// One hash of the tree: 32 bytes, SHA-256 with the RFC 6962 prefix of its kind.
///
/// Text form: standard base64 with padding, 44 characters (C2SP tlog-checkpoint).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Reads a stored column of exactly 32 bytes.
    #[must_use]
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        <[u8; 32]>::try_from(bytes).ok().map(Self)
    }

    /// Reads the text form; anything but its one spelling is refused.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 44 {
            return None;
        }
        Self::from_slice(&base64::decode(text)?)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::encode(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Hash of a leaf: `SHA-256(0x00 || entry)`.
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Hash {
    let mut buffer = [0_u8; ONE_SHOT_BYTES + 1];
    if let Some((prefix, rest)) = buffer.split_first_mut()
        && let Some(body) = rest.get_mut(..entry.len())
    {
        *prefix = LEAF;
        body.copy_from_slice(entry);
        return sha256(buffer.get(..=entry.len()).unwrap_or_default());
    }
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF]);
    context.update(entry);
    to_hash(context.finish().as_ref())
}

/// Hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut buffer = [NODE; 65];
    for (to, from) in buffer.iter_mut().skip(1).zip(left.0.iter().chain(&right.0)) {
        *to = *from;
    }
    sha256(&buffer)
}

/// Root of the empty tree: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    sha256(&[])
}

fn sha256(bytes: &[u8]) -> Hash {
    to_hash(digest(&SHA256, bytes).as_ref())
}

fn to_hash(bytes: &[u8]) -> Hash {
    let mut out = [0_u8; 32];
    for (to, from) in out.iter_mut().zip(bytes) {
        *to = *from;
    }
    Hash(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_and_short_leaves_hash_alike() {
        for len in [
            0,
            1,
            ONE_SHOT_BYTES - 1,
            ONE_SHOT_BYTES,
            ONE_SHOT_BYTES + 1,
            65_535,
        ] {
            let entry = vec![7_u8; len];
            let mut prefixed = vec![LEAF];
            prefixed.extend_from_slice(&entry);
            assert_eq!(leaf_hash(&entry), sha256(&prefixed), "{len} bytes");
        }
    }

    #[test]
    fn text_form_has_one_spelling() {
        let hash = leaf_hash(b"x");
        let text = hash.to_string();
        assert_eq!(Hash::parse(&text), Some(hash));
        assert_eq!(Hash::parse(text.trim_end_matches('=')), None);
        assert_eq!(Hash::parse(&format!("{text}\n")), None);
        // The last letter carries four bits that must be zero.
        let zero = Hash([0; 32]).to_string();
        assert_eq!(Hash::parse(&zero.replace("A=", "B=")), None);
    }
}
