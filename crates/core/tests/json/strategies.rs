//! Arbitrary values, and arbitrary ways to write them.

use proptest::prelude::*;
use remit_core::json::{Number, Object, Value};
use std::fmt::Write as _;

/// Any string without NUL, rich in what needs care.
pub fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{0,12}",
        "[\\u{1}-\\u{22}\\\\/\\u{7f}-\\u{9f}]{0,10}",
        "[\\u{d7f0}-\\u{d7ff}\\u{e000}-\\u{e00f}\\u{ffe0}-\\u{1000f}a]{0,6}",
        "\\PC{0,20}",
    ]
}

/// Any number a request may carry.
pub fn number() -> impl Strategy<Value = Number> {
    let double = prop_oneof![
        any::<f64>(),
        any::<u64>().prop_map(f64::from_bits),
        (-1e4..1e4_f64)
    ];
    prop_oneof![
        any::<i32>().prop_map(Number::from),
        double.prop_filter_map("finite", |double| Number::try_from(double).ok()),
    ]
}

/// Any value a request may carry, some levels deep.
pub fn value() -> impl Strategy<Value = Value> {
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    scalar.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::Array),
            prop::collection::vec((text(), inner), 0..8)
                .prop_map(|members| Value::from(members.into_iter().collect::<Object>())),
        ]
    })
}

/// Writes `value` in one of many ways, as `choices` say: members in another order, white space, escapes.
pub fn write_freely(value: &Value, choices: &mut dyn FnMut(usize) -> usize) -> String {
    let mut out = String::new();
    space(&mut out, choices);
    match value {
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| write_freely(item, choices)).collect();
            let _ = write!(out, "[{}]", items.join(","));
        }
        Value::Object(object) => {
            let mut members: Vec<String> = Vec::new();
            for (key, member) in object.iter() {
                let mut text = String::new();
                space(&mut text, choices);
                write_string(key, &mut text, choices);
                space(&mut text, choices);
                let member = write_freely(member, choices);
                members.insert(choices(members.len() + 1), format!("{text}:{member}"));
            }
            let _ = write!(out, "{{{}}}", members.join(","));
        }
        Value::String(text) => write_string(text, &mut out, choices),
        other => {
            let _ = write!(out, "{other}");
        }
    }
    space(&mut out, choices);
    out
}

fn space(out: &mut String, choices: &mut dyn FnMut(usize) -> usize) {
    out.push_str(["", "", "", " ", "\n\t", "\r\n "][choices(6)]);
}

fn write_string(text: &str, out: &mut String, choices: &mut dyn FnMut(usize) -> usize) {
    out.push('"');
    for character in text.chars() {
        let needs_escape = matches!(character, '"' | '\\' | '\0'..='\u{1f}');
        if needs_escape || choices(4) == 0 {
            let upper = choices(2) == 0;
            for unit in character.encode_utf16(&mut [0; 2]) {
                let _ = if upper {
                    write!(out, "\\u{unit:04X}")
                } else {
                    write!(out, "\\u{unit:04x}")
                };
            }
        } else {
            out.push(character);
        }
    }
    out.push('"');
}
