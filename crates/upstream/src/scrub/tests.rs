//! A canary in every encoding must not come through, and ordinary text must come through untouched.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use proptest::prelude::*;
use remit_core::{array, object};

use super::*;

const CANARY: &str = "s3cr3t/Tök+en\"42";

fn scrubber() -> Scrubber {
    Scrubber::new([CANARY, "ghp_0123456789abcdef", "abc"]).unwrap()
}

#[test]
fn ordinary_text_is_not_even_copied() {
    let scrubber = scrubber();
    for text in [
        "",
        "hello\n\tworld ✓ ümlaut",
        "line\r\nline",
        "abc abc",
        "U+00A0 \u{a0} stays",
        r"100% of AT&T &amp; C:\temp \u00e9 \ud83d\ude00 \ud83d %zz &#x110000; &unknown; %C3%B6",
        "\\",
        "%",
        "&",
    ] {
        assert!(
            matches!(scrubber.text(text), Cow::Borrowed(same) if same == text),
            "{text:?}"
        );
    }
}

#[test]
fn a_canary_is_found_in_every_encoding() {
    let scrubber = scrubber();
    let token = "ghp_0123456789abcdef";
    let hex: String = token.bytes().map(|b| format!("{b:02X}")).collect();
    let percent: String = token.bytes().map(|b| format!("%{b:02X}")).collect();
    let mut echoes = vec![
        token.to_owned(),
        token.to_uppercase(),
        token.chars().rev().collect(),
        hex.clone(),
        hex.to_lowercase(),
        percent.to_lowercase(),
        percent,
        token.bytes().map(|b| format!("&#{b};")).collect(),
        token.bytes().map(|b| format!("\\u{b:04x}")).collect(),
        format!("ghp_0123\u{1b}[31m456789abcdef"),
        format!("ghp_0123\u{1b}]0;title\u{7}456789abcdef"),
        "ghp_0123\u{9b}1m456789abcdef".to_owned(),
        "ghp\u{0}_0123456789abc\u{8}def".to_owned(),
        "M5UHAXZQGEZDGNBVGY3TQOLBMJRWIZLG".to_owned(),
    ];
    for prefix in ["", "x", "xy", "xyz"] {
        for suffix in ["", "!", "??"] {
            let whole = format!("{prefix}{token}{suffix}");
            echoes.push(STANDARD.encode(&whole));
            echoes.push(URL_SAFE.encode(&whole));
        }
    }
    for echo in &echoes {
        let text = format!("before {echo} after");
        let clean = scrubber.text(&text);
        assert!(clean.contains(REMOVED), "{text} → {clean}");
        assert!(
            clean.starts_with("before ") && clean.ends_with(" after"),
            "{clean}"
        );
        assert!(
            clean.len() <= "before  after".len() + REMOVED.len() + 12,
            "{text} → {clean}"
        );
    }
}

#[test]
fn a_secret_with_special_characters_is_found_where_they_are_escaped() {
    let scrubber = scrubber();
    for echo in [
        "s3cr3t/Tök+en\\\"42",
        "s3cr3t%2FT%c3%b6k%2Ben%2242",
        "s3cr3t/Tök+en&quot;42",
    ] {
        assert_eq!(scrubber.text(echo), REMOVED, "{echo}");
    }
    let mut value = object! { (CANARY): array![CANARY, object! { "k": format!("x{CANARY}y") }], "n": 1 };
    scrubber.value(&mut value);
    assert_eq!(
        value,
        object! { (REMOVED): array![REMOVED, object! { "k": format!("x{REMOVED}y") }], "n": 1 }
    );
}

#[test]
fn a_number_that_is_a_secret_is_removed() {
    let scrubber = Scrubber::new(["4929123456781234"]).unwrap();
    let mut value = object! { "card": 4_929_123_456_781_234_i64, "other": 12 };
    scrubber.value(&mut value);
    assert_eq!(value, object! { "card": REMOVED, "other": 12 });
}

#[test]
fn escapes_and_controls_go_and_the_text_stays() {
    let none = Scrubber::default();
    for (dirty, clean) in [
        ("\u{1b}[2J\u{1b}[1;31mred\u{1b}[0m", "red"),
        ("a\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\b", "alinkb"),
        ("a\u{9d}52;c;AAAA\u{9c}b", "ab"),
        ("a\u{1b}P1$q\u{1b}\\b\u{1b}(Bc\u{1b}cd", "abcd"),
        ("over\rwrite\u{8}\u{7f}", "overwrite"),
        ("kept\r\nline\ttab", "kept\r\nline\ttab"),
        ("unfinished \u{1b}]0;x\nnext", "unfinished \nnext"),
        ("end\u{1b}", "end"),
        ("end\u{1b}[", "end"),
        ("\u{1b}[31é", "é"),
    ] {
        assert_eq!(none.text(dirty), clean, "{dirty:?}");
    }
}

#[test]
fn an_excerpt_is_short_clean_and_on_one_line() {
    let scrubber = scrubber();
    assert_eq!(
        scrubber.excerpt("a\nb\u{1b}[0m ghp_0123456789abcdef", 80),
        format!("a b {REMOVED}")
    );
    assert_eq!(scrubber.excerpt("äöü", 2), "äö…");
}

/// What formats leave of a secret with characters they escape; each escapes its own choice of them.
#[test]
fn a_secret_is_found_however_few_of_its_characters_are_escaped() {
    let secret = "ab+cd/efGH12345==";
    let scrubber = Scrubber::new([secret]).unwrap();
    let echoes = [
        // PHP's json_encode, .NET's JsonSerializer, Go's and Rails' for pages.
        r"ab+cd\/efGH12345==",
        r"ab\u002Bcd/efGH12345==",
        r"ab\u002bcd\u002FefGH12345\u003d\u003D",
        // Handlebars, OWASP's encoders, names.
        "ab+cd&#x2F;efGH12345&#x3D;&#x3D;",
        "ab&#43;cd&#047;efGH12345&#61;&#x003d;",
        "ab&plus;cd&sol;efGH12345&equals;&equals;",
        // Python's quote, JavaScript's encodeURI and escape, once and twice.
        "ab%2Bcd/efGH12345%3D%3D",
        "ab+cd%2fefGH12345==",
        "ab%252Bcd/efGH12345%253D%253D",
        "ab%u002Bcd/efGH12345==",
        // Strings of JavaScript, C, Rust and Python, a shell's word.
        r"ab\x2bcd/efGH12345\x3d=",
        r"ab\053cd/efGH12345==",
        r"ab\u{2b}cd/efGH12345==",
        r"ab\U0000002bcd/efGH12345==",
        r"ab\+cd/efGH12345\=\=",
        // One in the other.
        r"ab+cd\\\/efGH12345==",
        r"ab\\u002Bcd/efGH12345==",
        r"ab\u0026#43;cd/efGH12345==",
        "ab+cd&amp;#x2F;efGH12345==",
        r"ab\\\\u002Bcd/efGH12345==",
        "ab%25252Bcd/efGH12345==",
    ];
    for echo in &echoes {
        let text = format!("before {echo} after");
        assert_eq!(scrubber.text(&text), format!("before {REMOVED} after"), "{echo}");
    }
    // Encoded as a whole, and escaped then.
    let secret = "???>>>~~~secret";
    let scrubber = Scrubber::new([secret]).unwrap();
    let encoded = STANDARD.encode(secret);
    assert_eq!(encoded, "Pz8/Pj4+fn5+c2VjcmV0");
    for echo in [encoded.replace('/', r"\/"), encoded.replace('+', "%2B")] {
        let text = format!("before {echo} after");
        assert_eq!(scrubber.text(&text), format!("before {REMOVED} after"), "{echo}");
    }
}

#[test]
fn a_secret_that_looks_like_an_escape_is_found_where_it_is_escaped() {
    for secret in [
        r"pass%2Fword+1",
        r"pa\nss\word/9",
        "me&amp;you/and%more",
        r"\u0041\u0042/xyz",
    ] {
        let scrubber = Scrubber::new([secret]).unwrap();
        for echo in [
            secret.to_owned(),
            secret.replace('/', r"\/"),
            secret.replace('+', r"\u002B"),
            secret.replace('\\', r"\\"),
            secret.replace('\\', r"\\").replace('/', r"\/"),
            secret.replace('&', "&amp;"),
            secret.replace('%', "%25").replace('/', "%2F"),
            secret.replace('/', "&#x2F;"),
        ] {
            let text = format!("before {echo} after");
            assert_eq!(
                scrubber.text(&text),
                format!("before {REMOVED} after"),
                "{secret}: {echo}"
            );
        }
    }
}

#[test]
fn what_is_found_in_one_way_and_another_goes_once_and_all_of_it() {
    let scrubber = Scrubber::new([
        "first/secret",
        "one-secret",
        "/one-secret+more",
        "spaced out/word",
    ])
    .unwrap();
    assert_eq!(scrubber.text("a %2Fone-secret+more b"), format!("a {REMOVED} b"));
    assert_eq!(
        scrubber.text(r"first\/secretfirst/secret"),
        format!("{REMOVED}{REMOVED}")
    );
    assert_eq!(scrubber.text("x=spaced+out%2Fword&y"), format!("x={REMOVED}&y"));
}

#[test]
fn a_long_text_is_searched_across_its_pieces() {
    let scrubber = Scrubber::new(["first/secret"]).unwrap();
    for lead in 0..40 {
        let text = format!(
            r"{}first\/secret{}first%2Fsecret{}",
            "x".repeat(PIECE_BYTES - lead),
            r"\n".repeat(PIECE_BYTES / 2 - lead),
            "y".repeat(PIECE_BYTES)
        );
        let clean = scrubber.text(&text);
        assert_eq!(clean.matches(REMOVED).count(), 2, "{lead}");
        assert_eq!(clean.len(), text.len() - 13 - 14 + 2 * REMOVED.len(), "{lead}");
    }
}

/// Each character on its own: as it is, or in one of the escapes.
fn escaped(secret: &str, ways: &[u8]) -> String {
    let mut out = String::new();
    for (c, way) in secret.chars().zip(ways.iter().cycle()) {
        let code = u32::from(c);
        match way {
            0 => out.push_str(&format!("\\u{code:04x}")),
            1 => out.push_str(&format!("&#{code};")),
            2 => out.push_str(&format!("&#X{code:X};")),
            3 => out.push_str(&format!("%{code:02X}")),
            4 => out.push_str(&format!("\\x{code:02x}")),
            5 if c.is_ascii_punctuation() => out.push_str(&format!("\\{c}")),
            _ => out.push(c),
        }
    }
    out
}

proptest! {
    #[test]
    fn no_choice_of_escapes_hides_a_secret(
        secret in "[a-zA-Z0-9+/=_.,:;!?#$*()<>{}\"'@-]{8,24}",
        ways in proptest::collection::vec(0_u8..9, 1..24),
        again in 0..4,
        size in 1_usize..40,
    ) {
        let scrubber = std::sync::Arc::new(Scrubber::new([secret.as_str()]).unwrap());
        let once = escaped(&secret, &ways);
        let echo = match again {
            0 => once,
            1 => once.replace('\\', r"\\").replace('"', r#"\""#),
            2 => once.bytes().map(|b| if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }).collect(),
            _ => once.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;").replace('\'', "&#39;"),
        };
        let text = format!("before {echo} after");
        let wanted = format!("before {REMOVED} after");
        prop_assert_eq!(scrubber.text(&text), wanted.as_str());
        // And in pieces.
        let mut clean = Vec::new();
        let mut held = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            held.extend_from_slice(piece);
            let found = scrubber.look(&held, false);
            let rest = held.split_off(found.open);
            clean.extend_from_slice(&Scrubber::without(held.into(), &found.spans));
            held = rest;
        }
        let found = scrubber.look(&held, true);
        clean.extend_from_slice(&Scrubber::without(held.into(), &found.spans));
        prop_assert_eq!(String::from_utf8(clean).unwrap(), wanted);
    }

    /// Bytes that hold no secret pass as they are, whatever they look like.
    #[test]
    fn other_bytes_stay(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in 1_usize..40) {
        let scrubber = Scrubber::new(["s3cr3t-value-0123456789"]).unwrap();
        let mut clean = Vec::new();
        let mut held = Vec::new();
        for piece in bytes.chunks(size) {
            held.extend_from_slice(piece);
            let found = scrubber.look(&held, false);
            prop_assert!(found.spans.is_empty());
            let rest = held.split_off(found.open);
            clean.extend_from_slice(&held);
            held = rest;
        }
        clean.extend_from_slice(&held);
        prop_assert_eq!(clean, bytes);
    }
}
