//! The canonical bytes of a value, RFC 8785.

use super::{Object, Value, scan::plain_run};
use std::fmt;

impl Value {
    /// The canonical bytes: no white space, keys in order, strings and numbers in one form.
    #[must_use]
    pub fn to_canonical(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        self.write_canonical(&mut out);
        out
    }

    /// Appends the canonical bytes to `out`.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        write_value(self, &mut |text| out.extend_from_slice(text.as_bytes()));
    }
}

impl Object {
    /// Appends the canonical bytes to `out`.
    pub fn write_canonical(&self, out: &mut Vec<u8>) {
        write_object(self, &mut |text| out.extend_from_slice(text.as_bytes()));
    }
}

/// Writes the canonical text.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut done = Ok(());
        write_value(self, &mut |text| {
            done = done.and_then(|()| f.write_str(text));
        });
        done
    }
}

fn write_value<S: FnMut(&str)>(value: &Value, sink: &mut S) {
    match value {
        Value::Null => sink("null"),
        Value::Bool(true) => sink("true"),
        Value::Bool(false) => sink("false"),
        Value::Number(number) => number.write(sink),
        Value::String(text) => write_string(text, sink),
        Value::Array(items) => {
            let mut before = "[";
            for item in items {
                sink(before);
                write_value(item, sink);
                before = ",";
            }
            sink(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(object) => write_object(object, sink),
    }
}

fn write_object<S: FnMut(&str)>(object: &Object, sink: &mut S) {
    let mut before = "{";
    for (key, member) in object.iter() {
        sink(before);
        write_string(key, sink);
        sink(":");
        write_value(member, sink);
        before = ",";
    }
    sink(if object.is_empty() { "{}" } else { "}" });
}

fn write_string<S: FnMut(&str)>(text: &str, sink: &mut S) {
    sink("\"");
    let mut rest = text;
    loop {
        // The run ends before an ASCII byte or at the end, so on a character boundary.
        let (plain, special) = rest
            .split_at_checked(plain_run(rest.as_bytes()))
            .unwrap_or((rest, ""));
        sink(plain);
        let mut after = special.chars();
        match after.next() {
            None => break,
            Some(special) => write_escape(special, sink),
        }
        rest = after.as_str();
    }
    sink("\"");
}

fn write_escape<S: FnMut(&str)>(special: char, sink: &mut S) {
    match special {
        '"' => sink("\\\""),
        '\\' => sink("\\\\"),
        '\u{8}' => sink("\\b"),
        '\t' => sink("\\t"),
        '\n' => sink("\\n"),
        '\u{c}' => sink("\\f"),
        '\r' => sink("\\r"),
        control => {
            sink(if control < '\u{10}' { "\\u000" } else { "\\u001" });
            let digit = char::from_digit(u32::from(control) % 16, 16).unwrap_or('0');
            sink(digit.encode_utf8(&mut [0; 4]));
        }
    }
}
