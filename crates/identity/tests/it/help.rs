//! Keys and tokens to try things with.

use remit_core::json::{Object, Value};
use remit_core::time::Timestamp;
use remit_identity::{KeySet, SigningKey, base64url};

/// A moment to stand at, in milliseconds.
pub const NOW: Timestamp = Timestamp(1_795_000_000_000);

/// The key of a byte.
pub fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32]).unwrap()
}

/// A set of these keys.
pub fn set(keys: &[&SigningKey]) -> KeySet {
    KeySet::new(keys.iter().map(|key| key.public().clone()).collect())
}

/// An object of these members.
pub fn object(value: Value) -> Object {
    match value {
        Value::Object(members) => members,
        other => panic!("not an object: {other}"),
    }
}

/// Seconds since the epoch, `offset` seconds from now.
pub fn at(offset: i64) -> i64 {
    NOW.0 / 1000 + offset
}

/// A token of raw parts, signature as given.
pub fn raw(header: &str, payload: &str, signature: &[u8]) -> String {
    format!(
        "{}.{}.{}",
        base64url(header.as_bytes()),
        base64url(payload.as_bytes()),
        base64url(signature)
    )
}
