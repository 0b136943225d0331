//! The forms a secret takes when something echoes it.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Fewer characters than this of an encoded form would be found by chance.
const FORM_MIN: usize = 6;

/// All forms of `secret` that are searched for, without repeats.
pub(super) fn of(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms: Vec<String> = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        each(bytes, "", |b| format!("{b:02x}")),
        each(bytes, " ", |b| format!("{b:02x}")),
        each(bytes, ":", |b| format!("{b:02x}")),
        each(bytes, "-", |b| format!("{b:02x}")),
        each(bytes, "", |b| format!("\\x{b:02x}")),
        each(bytes, "", |b| format!("\\u00{b:02x}")),
        each(bytes, "", |b| format!("%{b:02x}")),
        each(bytes, "", |b| format!("&#x{b:02x};")),
        each(bytes, "", |b| format!("&#{b};")),
        each(bytes, ",", |b| b.to_string()),
        each(bytes, ", ", |b| b.to_string()),
        percent(bytes, b"-_.~", "%20"),
        percent(bytes, b"-_.!~*'()", "%20"),
        percent(bytes, b"-_.~", "+"),
        html(secret),
        json(secret),
        base32(bytes),
    ];
    for offset in 0..3 {
        forms.push(shifted(bytes, offset, |padded| STANDARD_NO_PAD.encode(padded)));
        forms.push(shifted(bytes, offset, |padded| URL_SAFE_NO_PAD.encode(padded)));
    }
    forms.retain(|form| form.len() >= FORM_MIN);
    forms.sort_unstable();
    forms.dedup();
    forms.into_iter().map(String::into_bytes).collect()
}

fn each(bytes: &[u8], between: &str, write: impl Fn(u8) -> String) -> String {
    bytes.iter().map(|&b| write(b)).collect::<Vec<_>>().join(between)
}

fn percent(bytes: &[u8], kept: &[u8], space: &str) -> String {
    each(bytes, "", |b| match b {
        b' ' => space.to_owned(),
        b if b.is_ascii_alphanumeric() || kept.contains(&b) => char::from(b).to_string(),
        b => format!("%{b:02x}"),
    })
}

fn html(secret: &str) -> String {
    secret
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// As inside a JSON text that is itself a string.
fn json(secret: &str) -> String {
    let quoted = remit_core::json::Value::from(secret).to_string();
    quoted.trim_matches('"').to_owned()
}

/// The characters of a base64 text that depend on the secret alone when it starts `offset` bytes into a group of three.
fn shifted(bytes: &[u8], offset: usize, encode: impl Fn(&[u8]) -> String) -> String {
    let mut padded = vec![0; offset];
    padded.extend_from_slice(bytes);
    let first = (offset * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    encode(&padded).get(first..last).unwrap_or_default().to_owned()
}

/// RFC 4648 base32 of whole groups of five bits, from the start of a text.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = String::new();
    let (mut bits, mut have) = (0_u32, 0);
    for &byte in bytes {
        bits = ((bits << 8) | u32::from(byte)) & 0xffff;
        have += 8;
        while have >= 5 {
            have -= 5;
            let index = (bits >> have) & 31;
            out.push(char::from(ALPHABET.get(index as usize).copied().unwrap_or(b'=')));
        }
    }
    out
}
