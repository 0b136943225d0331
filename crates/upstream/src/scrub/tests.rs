//! A canary in every encoding must not come through, and ordinary text must come through untouched.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
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
