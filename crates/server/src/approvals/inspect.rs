//! Inspection of argument text for a card: what is shown, what is said to be hidden, what cannot be seen through.

use remit_core::call::Call;
use remit_core::digest::Digest;
use remit_core::tool::{ArgumentRole, Classification, ToolClass};

use super::card::escape;

/// Longest argument shown whole, in characters.
const SHOWN_CHARS_MAX: usize = 600;
/// Shown from the front and from the back of a longer one, in characters.
const SHOWN_ENDS: usize = 240;
/// A run of blanks longer than this hides what follows, in characters.
const BLANK_RUN_MAX: usize = 40;

/// Something an approver must know about an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// False when the argument cannot be fully understood by reading it.
    pub inspectable: bool,
    /// One sentence.
    pub sentence: String,
}

/// An argument as the card shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Escaped, blanks folded, ends of a long text with the length and digest of the whole.
    pub shown: String,
    /// What was found.
    pub findings: Vec<Finding>,
}

/// Looks at one argument.
#[must_use]
pub fn inspect(name: &str, text: &str) -> Inspected {
    let mut findings = Vec::new();
    let mut find = |inspectable: bool, sentence: String| {
        findings.push(Finding {
            inspectable,
            sentence,
        });
    };
    let name = escape(name);
    let hidden = text
        .chars()
        .filter(|c| crate::registry::definition::is_hidden(*c))
        .count();
    if hidden > 0 {
        find(
            false,
            format!(
                "not fully inspectable: `{name}` holds {hidden} invisible or direction-changing characters, written out below"
            ),
        );
    }
    let folded = fold_blanks(text);
    if folded.len() < text.len() {
        find(
            true,
            format!("`{name}` is padded with long runs of blanks; they are folded here"),
        );
    }
    if let Some(sign) = nested_shell(text) {
        find(
            false,
            format!("not fully inspectable: `{name}` runs something inside something else ({sign})"),
        );
    }
    if let Some(inner) = encoded_text(text) {
        find(
            false,
            format!(
                "not fully inspectable: `{name}` holds encoded text that reads: {}",
                escape(&inner)
            ),
        );
    }
    let escaped = escape(&folded);
    let count = escaped.chars().count();
    let shown = if count <= SHOWN_CHARS_MAX {
        escaped
    } else {
        let front: String = escaped.chars().take(SHOWN_ENDS).collect();
        let back: String = escaped.chars().skip(count - SHOWN_ENDS).collect();
        find(
            true,
            format!(
                "`{name}` is long: {} characters are not shown, {}",
                count - 2 * SHOWN_ENDS,
                Digest::of(text.as_bytes())
            ),
        );
        format!("{front} […] {back}")
    };
    Inspected { shown, findings }
}

/// True when every text argument of a call can be understood by reading it. The payload of a tool that only changes
/// objects is data, not meaning; of a tool that sends, runs or grants it is what happens.
#[must_use]
pub fn is_inspectable(call: &Call, classification: Option<&Classification>) -> bool {
    let Some(classification) = classification else {
        return true;
    };
    if classification.class == ToolClass::Read {
        return true;
    }
    let is_payload = |name: &str| {
        classification.class == ToolClass::Write
            && classification.arguments.iter().any(|rule| {
                rule.role == ArgumentRole::Content && rule.pointer.trim_start_matches('/') == name
            })
    };
    call.arguments.iter().all(|(name, value)| {
        is_payload(name)
            || value
                .as_str()
                .is_none_or(|text| inspect(name, text).findings.iter().all(|found| found.inspectable))
    })
}

fn fold_blanks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut run = String::new();
    let flush = |run: &mut String, out: &mut String| {
        let count = run.chars().count();
        if count > BLANK_RUN_MAX {
            out.push_str(&format!(" [{count} blanks] "));
        } else {
            out.push_str(run);
        }
        run.clear();
    };
    for c in text.chars() {
        if c.is_whitespace() {
            run.push(c);
        } else {
            flush(&mut run, &mut out);
            out.push(c);
        }
    }
    flush(&mut run, &mut out);
    out
}

/// Signs that a command builds another command.
fn nested_shell(text: &str) -> Option<&'static str> {
    const SIGNS: &[&str] = &[
        "$(",
        "| sh",
        "|sh",
        "| bash",
        "|bash",
        "base64 -d",
        "base64 --decode",
        "eval ",
        "sh -c",
        "bash -c",
        "python -c",
        "python3 -c",
        "node -e",
    ];
    SIGNS.iter().copied().find(|sign| text.contains(sign))
}

/// The readable text behind a long base64 word, if there is one.
fn encoded_text(text: &str) -> Option<String> {
    use base64::Engine as _;
    let word = text
        .split(|c: char| !(c.is_ascii_alphanumeric() || "+/=_-".contains(c)))
        .find(|word| word.len() >= 40)?;
    let trimmed = word.trim_end_matches('=');
    let bytes = base64::engine::general_purpose::STANDARD_NO_PAD
        .decode(trimmed)
        .or_else(|_| base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(trimmed))
        .ok()?;
    let inner = String::from_utf8(bytes).ok()?;
    let readable = inner.chars().filter(|c| !c.is_control()).count() * 10 >= inner.chars().count() * 9;
    readable.then(|| inner.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_said() {
        let plain = inspect("path", "/srv/site");
        assert_eq!(
            plain,
            Inspected {
                shown: "/srv/site".to_owned(),
                findings: Vec::new()
            }
        );

        let padded = inspect("command", &format!("ls{}; rm -rf /", " ".repeat(4000)));
        assert_eq!(padded.shown, "ls [4000 blanks] ; rm -rf /");
        assert!(padded.findings.iter().any(|f| f.sentence.contains("padded")));

        let bidi = inspect("note", "minor css fix\u{202e}cilbup");
        assert!(bidi.shown.contains("\\u{202e}"));
        assert!(bidi.findings.iter().any(|f| !f.inspectable));

        let nested = inspect("command", "echo aGVsbG8K | base64 -d | sh");
        assert!(
            nested
                .findings
                .iter()
                .any(|f| f.sentence.contains("inside something else"))
        );

        let long = inspect("body", &"x".repeat(5000));
        assert!(long.shown.len() < 600);
        assert!(
            long.findings
                .iter()
                .any(|f| f.sentence.contains("4520 characters are not shown"))
        );
    }

    #[test]
    fn encoded_text_is_read() {
        use base64::Engine as _;
        let encoded =
            base64::engine::general_purpose::STANDARD.encode("rm -rf / --no-preserve-root && echo done");
        let found = inspect("command", &format!("run {encoded}"));
        assert!(
            found.findings.iter().any(|f| f.sentence.contains("rm -rf /")),
            "{found:?}"
        );
    }
}
