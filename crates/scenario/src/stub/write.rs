//! Writing JSON plainly, or so that only its meaning stays the same.

use serde_json::{Map, Value};

/// The plain text.
pub(super) fn plain(value: &Value) -> String {
    value.to_string()
}

/// The same value written differently: keys in the opposite order, other spacing, letters escaped.
pub(super) fn reformatted(value: &Value) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Value) {
    match value {
        Value::Object(members) => object(out, members),
        Value::Array(items) => {
            out.push_str("[ ");
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push_str(" , ");
                }
                write(out, item);
            }
            out.push_str(" ]");
        }
        Value::String(text) => string(out, text),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn object(out: &mut String, members: &Map<String, Value>) {
    out.push_str("{ ");
    // Where the map keeps the order of the file this is another order too.
    let mut keys: Vec<&String> = members.keys().collect();
    keys.reverse();
    for (at, key) in keys.into_iter().enumerate() {
        if at > 0 {
            out.push_str(" , ");
        }
        string(out, key);
        out.push_str(" : ");
        write(out, members.get(key).unwrap_or(&Value::Null));
    }
    out.push_str(" }");
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            'e' => out.push_str("\\u0065"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            control if control < ' ' => {
                let escaped = format!("\\u{:04x}", u32::from(control));
                out.push_str(&escaped);
            }
            other => out.push(other),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn other_text_same_value() {
        let value = json!({ "name": "send", "a": [1, null, "line\n\"q\""], "z": { "b": true, "c": 1.5 } });
        let text = reformatted(&value);
        assert_ne!(text, plain(&value));
        assert!(text.starts_with("{ \"z\" : "), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
