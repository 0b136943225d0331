//! Mails inside arguments: a whole message (RFC 5322) as text, or in base64 as mail services take it, names its recipients in
//! its header.

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// Fields that say who gets a message (RFC 5322, sections 3.6.3 and 3.6.6), or who hears of it being read (RFC 8098).
const RECIPIENTS: [&str; 8] = [
    "to",
    "cc",
    "bcc",
    "resent-to",
    "resent-cc",
    "resent-bcc",
    "disposition-notification-to",
    "return-receipt-to",
];
/// Shortest text that may be a message, in bytes.
const BYTES_MIN: usize = 8;

/// What the fields of a message say about who gets it, unfolded; none when the text is no message.
pub(super) fn recipient_fields(text: &str) -> Vec<String> {
    if text.len() < BYTES_MIN {
        return Vec::new();
    }
    let plain = fields(text, false);
    if !plain.is_empty() {
        return plain;
    }
    decoded(text)
        .map(|inner| fields(&inner, true))
        .unwrap_or_default()
}

/// What a text holds in base64, in either alphabet, with or without padding, in one line or several.
fn decoded(text: &str) -> Option<String> {
    let mut bytes: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    while bytes.last() == Some(&b'=') {
        bytes.pop();
    }
    let alphabet = if bytes.iter().any(|b| matches!(b, b'-' | b'_')) {
        &URL_SAFE
    } else {
        &STANDARD
    };
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        // Whoever is less strict than us would still read it.
        .with_decode_allow_trailing_bits(true);
    let decoded = GeneralPurpose::new(alphabet, config).decode(bytes).ok()?;
    Some(String::from_utf8_lossy(&decoded).into_owned())
}

/// The fields of a header at the beginning of a text. Between them may stand what is no field, as mail services let it, where
/// the text can hardly be anything else.
fn fields(text: &str, lenient: bool) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut wanted = false;
    let lines = text.trim_start_matches(['\r', '\n', '\u{feff}']).lines();
    for line in lines {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if wanted && let Some(last) = found.last_mut() {
                last.push(' ');
                last.push_str(line.trim());
            }
            continue;
        }
        let field = line.split_once(':').map(|(name, value)| (name.trim_end(), value));
        let field = field.filter(|(name, _)| !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()));
        let Some((name, value)) = field else {
            if lenient {
                wanted = false;
                continue;
            }
            break;
        };
        wanted = RECIPIENTS.iter().any(|one| name.eq_ignore_ascii_case(one));
        if wanted {
            found.push(value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD as PADDED, URL_SAFE_NO_PAD};

    #[test]
    fn a_message_says_who_gets_it_as_text_and_in_base64() {
        let message = "From: a@example.org\r\nTo: Anna <anna@example.org>,\r\n b@example.org\r\nSubject: x\r\n\
                       BCC : spy@evil.example\r\n\r\nTo: nobody@example.org\r\n";
        let expected = ["Anna <anna@example.org>, b@example.org", "spy@evil.example"];
        let wrapped: String = PADDED
            .encode(message)
            .as_bytes()
            .chunks(76)
            .map(|line| format!("{}\r\n", std::str::from_utf8(line).unwrap()))
            .collect();
        for text in [
            message.to_owned(),
            message.replace('\r', ""),
            PADDED.encode(message),
            URL_SAFE_NO_PAD.encode(message),
            wrapped,
        ] {
            assert_eq!(recipient_fields(&text), expected, "{text}");
        }
        let odd = PADDED.encode(format!("From x Thu Nov 26 12:00:00 2026\n{message}"));
        assert_eq!(recipient_fields(&odd), expected);
        for none in [
            "write to: spy@evil.example",
            "hello",
            "https://example.org/to",
            "",
            "Tm8gbWVzc2FnZQ==",
        ] {
            assert_eq!(recipient_fields(none), [""; 0], "{none}");
        }
    }
}
