//! Nothing from outside may move the cursor, change the title, or turn the reading direction of a terminal.

use serde_json::Value;

/// `text` with everything invisible, direction-changing or terminal-controlling written out.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if is_hidden(c) => out.push_str(&format!("\\u{{{:x}}}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// `value` on one line, with hidden characters as `\uXXXX`: the same JSON, harmless on a terminal.
#[must_use]
pub fn json(value: &Value) -> String {
    let plain = value.to_string();
    if !plain.chars().any(is_hidden) {
        return plain;
    }
    let mut out = String::with_capacity(plain.len() + 16);
    for c in plain.chars() {
        if is_hidden(c) {
            // Outside strings JSON is ASCII, and ASCII controls inside strings are escaped already.
            let mut units = [0_u16; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// Controls (C0, DEL, C1), bidirectional marks, zero-width and other characters that show nothing, line separators.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_and_direction_tricks_are_written_out() {
        assert_eq!(escape("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(
            escape("\u{9b}31m"),
            "\\u{9b}31m",
            "C1 control sequence introducer"
        );
        assert_eq!(escape("fdp.\u{202e}exe"), "fdp.\\u{202e}exe");
        assert_eq!(escape("one\ntwo\r\t"), "one\\ntwo\\r\\t");
        assert_eq!(escape("Überraschung für 東京 🎉"), "Überraschung für 東京 🎉");
        assert_eq!(escape("x\u{e0041}\u{200d}"), "x\\u{e0041}\\u{200d}");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"k\u{202e}": ["\u{1b}]0;x\u{7}", "\u{e0041}", "\u{9b}", "ok"]});
        let line = json(&value);
        assert!(!line.chars().any(is_hidden), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), value);
    }
}
