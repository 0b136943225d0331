//! Values of the headers that mirror the body (MCP 2026-07-28, streamable HTTP, "Value Encoding").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

const PREFIX: &str = "=?base64?";
const SUFFIX: &str = "?=";

/// The value as it goes into a header: plain where that is safe, otherwise base64 between sentinels.
pub(crate) fn encode(value: &str) -> Option<HeaderValue> {
    let plain = value.bytes().all(|b| matches!(b, b'\t' | b' '..=b'~'))
        && value.trim_matches([' ', '\t']) == value
        && !value.is_empty()
        && !(value.starts_with(PREFIX) && value.ends_with(SUFFIX));
    if plain {
        HeaderValue::from_str(value).ok()
    } else {
        HeaderValue::from_str(&format!("{PREFIX}{}{SUFFIX}", STANDARD.encode(value))).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification() {
        for (value, header) in [
            ("us-west1", "us-west1"),
            ("Hello, 世界", "=?base64?SGVsbG8sIOS4lueVjA==?="),
            (" padded ", "=?base64?IHBhZGRlZCA=?="),
            ("line1\nline2", "=?base64?bGluZTEKbGluZTI=?="),
            ("=?base64?literal?=", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?="),
            ("a\r\nHost: evil", "=?base64?YQ0KSG9zdDogZXZpbA==?="),
            ("", "=?base64??="),
        ] {
            assert_eq!(encode(value).unwrap(), header, "{value:?}");
        }
    }
}
