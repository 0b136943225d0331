//! The forms a secret takes when something echoes it, but for escapes of single characters, which are undone before the
//! search (`shadow.rs`).

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::shadow::Shadow;

/// Fewer characters than this of an encoded form would be found by chance.
const FORM_MIN: usize = 6;

/// All forms of `secret` that are searched for, without repeats.
pub(super) fn of(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms: Vec<Vec<u8>> = [
        secret.to_owned(),
        // As a form writes a space (HTML, "application/x-www-form-urlencoded").
        secret.replace(' ', "+"),
        secret.chars().rev().collect(),
        // Read as Latin-1, and written as UTF-8.
        bytes.iter().copied().map(char::from).collect(),
        each(bytes, "", |b| format!("{b:02x}")),
        each(bytes, " ", |b| format!("{b:02x}")),
        each(bytes, ":", |b| format!("{b:02x}")),
        each(bytes, "-", |b| format!("{b:02x}")),
        each(bytes, ",", |b| b.to_string()),
        each(bytes, ", ", |b| b.to_string()),
        base32(bytes),
    ]
    .into_iter()
    .chain((0..3).flat_map(|offset| {
        [
            shifted(bytes, offset, |padded| STANDARD_NO_PAD.encode(padded)),
            shifted(bytes, offset, |padded| URL_SAFE_NO_PAD.encode(padded)),
        ]
    }))
    .map(String::into_bytes)
    .collect();
    // A writer that escapes one way leaves what other ways take for escapes: all are undone at once, so here too.
    let undone: Vec<Vec<u8>> = forms.iter().flat_map(|form| undone(form)).collect();
    forms.extend(undone);
    forms.retain(|form| form.len() >= FORM_MIN);
    forms.sort_unstable();
    forms.dedup();
    forms
}

/// The form with what looks like escapes in it undone, once and again until nothing is left.
fn undone(form: &[u8]) -> Vec<Vec<u8>> {
    let next = |shadow: &Shadow| Shadow::of(&shadow.text, true);
    std::iter::successors(Shadow::of(form, true), next)
        .map(|shadow| shadow.text)
        .collect()
}

fn each(bytes: &[u8], between: &str, write: impl Fn(u8) -> String) -> String {
    bytes.iter().map(|&b| write(b)).collect::<Vec<_>>().join(between)
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
