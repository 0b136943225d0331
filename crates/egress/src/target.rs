//! The request target: one normal form of path and query, which is the one decided and the one sent.
//!
//! RFC 3986, section 6, as far as every reader agrees; what readers disagree about (dot segments, encoded separators, double
//! encoding, overlong or compatibility characters, `;`) is refused instead of resolved.

use std::fmt::Write as _;

use unicode_normalization::UnicodeNormalization as _;

use crate::refusal::{Refusal, shown};

/// Longest request target, in bytes.
pub const TARGET_BYTES_MAX: usize = 8 * 1024;
/// Most segments of a path.
const SEGMENTS_MAX: usize = 64;
/// Most parameters of a query.
const PARAMETERS_MAX: usize = 256;

/// A path and a query in normal form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    segments: Vec<String>,
    trailing_slash: bool,
    query: Vec<(String, Option<String>)>,
}

impl Target {
    /// Reads a target of the form `/path?query`, as it came over the wire.
    ///
    /// # Errors
    /// [`Refusal`] (`not_inspectable`) for whatever two readers could take in two ways.
    pub fn parse(raw: &str) -> Result<Self, Refusal> {
        if raw.len() > TARGET_BYTES_MAX {
            return Err(Refusal::opaque(format!(
                "the request target is longer than {TARGET_BYTES_MAX} bytes"
            )));
        }
        if let Some(odd) = raw
            .chars()
            .find(|c| !c.is_ascii_graphic() || "\\#\"<>^`{|}".contains(*c))
        {
            return Err(Refusal::opaque(format!(
                "the request target holds {odd:?}, which has to be percent-encoded"
            )));
        }
        let (path, query) = match raw.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (raw, None),
        };
        let path = path
            .strip_prefix('/')
            .ok_or_else(|| Refusal::opaque(format!("the path `{}` does not start with `/`", shown(path))))?;
        let (path, trailing_slash) = match path.strip_suffix('/') {
            Some(rest) => (rest, true),
            None => (path, false),
        };
        let mut segments = Vec::new();
        if !path.is_empty() {
            for raw in path.split('/') {
                segments.push(segment(raw)?);
            }
        }
        if segments.len() > SEGMENTS_MAX || (trailing_slash && segments.is_empty()) {
            return Err(Refusal::opaque("the path has too many or empty segments"));
        }
        Ok(Self {
            segments,
            trailing_slash,
            query: query.map_or_else(|| Ok(Vec::new()), parameters)?,
        })
    }

    /// The segments of the path, decoded. A segment may hold `/` where it was written `%2F`.
    #[must_use]
    pub fn segments(&self) -> &[String] {
        &self.segments
    }

    /// Whether the path ends with `/`.
    #[must_use]
    pub const fn trailing_slash(&self) -> bool {
        self.trailing_slash
    }

    /// The parameters of the query, decoded, in their order; `None` where there is no `=`.
    #[must_use]
    pub fn query(&self) -> &[(String, Option<String>)] {
        &self.query
    }

    /// The value of the only parameter of this name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let mut found = self.query.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        found
            .next()
            .is_none()
            .then(|| value.as_deref().unwrap_or_default())
    }

    /// Takes out the parameters of this name, and says what they held.
    pub fn take_parameter(&mut self, name: &str) -> Vec<String> {
        let mut taken = Vec::new();
        self.query.retain(|(key, value)| {
            if key == name {
                taken.push(value.clone().unwrap_or_default());
            }
            key != name
        });
        taken
    }

    /// Adds a parameter.
    pub fn add_parameter(&mut self, name: &str, value: &str) {
        self.query.push((name.to_owned(), Some(value.to_owned())));
    }

    /// The same without its first `count` segments; `None` when there are fewer.
    #[must_use]
    pub fn without_front(&self, count: usize) -> Option<Self> {
        let segments = self.segments.get(count..)?.to_vec();
        Some(Self {
            trailing_slash: self.trailing_slash && !segments.is_empty(),
            segments,
            query: self.query.clone(),
        })
    }

    /// The path as it is sent.
    #[must_use]
    pub fn path(&self) -> String {
        let mut out = String::new();
        for segment in &self.segments {
            out.push('/');
            encode(segment, b"-._~!$&'()*+,=:@", &mut out);
        }
        if self.trailing_slash || out.is_empty() {
            out.push('/');
        }
        out
    }

    /// The query as it is sent, without `?`; empty when there is none.
    #[must_use]
    pub fn query_text(&self) -> String {
        let mut out = String::new();
        for (name, value) in &self.query {
            if !out.is_empty() {
                out.push('&');
            }
            encode(name, b"-._~!$'()*,:@/[]", &mut out);
            if let Some(value) = value {
                out.push('=');
                encode(value, b"-._~!$'()*,:@/[]", &mut out);
            }
        }
        out
    }
}

/// The target as it is sent.
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.path())?;
        if !self.query.is_empty() {
            write!(f, "?{}", self.query_text())?;
        }
        Ok(())
    }
}

fn segment(raw: &str) -> Result<String, Refusal> {
    let refuse = |why: &str| {
        Err(Refusal::opaque(format!(
            "the path segment `{}` {why}",
            shown(raw)
        )))
    };
    if raw.is_empty() {
        return refuse("is empty: write the path without `//`");
    }
    if raw.contains(';') {
        return refuse("holds `;`, which some servers cut there");
    }
    let Some(text) = decode(raw, false) else {
        return refuse("is not percent-encoded UTF-8");
    };
    if text.chars().any(char::is_control) {
        return refuse("holds control characters");
    }
    if text.contains(['\\', ';']) {
        return refuse("hides a separator behind percent-encoding");
    }
    if is_escaped(&text) {
        return refuse("is encoded twice");
    }
    let folded: String = text.nfkc().collect();
    if text.nfc().collect::<String>() != text {
        return refuse("is not in Unicode's composed form (NFC)");
    }
    let dots = |part: &str| part == "." || part == "..";
    if folded.split(['/', '\\']).any(dots) || text.split('/').any(str::is_empty) {
        return refuse("is a dot segment: write the path fully resolved");
    }
    if folded.matches(['/', '\\']).count() != text.matches('/').count() {
        return refuse("holds a character that some servers read as a separator");
    }
    Ok(text)
}

fn parameters(query: &str) -> Result<Vec<(String, Option<String>)>, Refusal> {
    let mut out = Vec::new();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (name, value) = match part.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (part, None),
        };
        let read = |raw: &str| {
            decode(raw, true)
                .filter(|text| !text.contains('\0') && !text.contains(['\r', '\n']))
                .ok_or_else(|| {
                    Refusal::opaque(format!(
                        "the parameter `{}` is not percent-encoded text",
                        shown(part)
                    ))
                })
        };
        if out.len() == PARAMETERS_MAX {
            return Err(Refusal::opaque(format!(
                "the query has more than {PARAMETERS_MAX} parameters"
            )));
        }
        out.push((read(name)?, value.map(read).transpose()?));
    }
    Ok(out)
}

/// Decodes percent-encoding once; `None` for a `%` that is no escape, and for what is not UTF-8.
#[must_use]
pub fn decode(raw: &str, plus_is_space: bool) -> Option<String> {
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let high = char::from(rest.next()?).to_digit(16)?;
                let low = char::from(rest.next()?).to_digit(16)?;
                bytes.push(u8::try_from(high * 16 + low).ok()?);
            }
            b'+' if plus_is_space => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).ok()
}

/// True when decoding once more would change the text.
fn is_escaped(text: &str) -> bool {
    text.as_bytes().windows(3).any(
        |three| matches!(three, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit()),
    )
}

/// Percent-encodes everything but letters, digits and `kept`.
pub fn encode(text: &str, kept: &[u8], out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_form() {
        for (raw, form) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/b/", "/a/b/"),
            ("/%61/%62", "/a/b"),
            ("/a%20b", "/a%20b"),
            ("/a%2fb", "/a%2Fb"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a+b", "/a+b"),
            ("/.git/x", "/.git/x"),
            ("/...", "/..."),
            ("/a?b=c+d&e=%2B", "/a?b=c%20d&e=%2B"),
            ("/a?acl", "/a?acl"),
            ("/a?x=1&x=2", "/a?x=1&x=2"),
            ("/a?&b=%E2%82%AC", "/a?b=%E2%82%AC"),
            (
                "/a?u=https%3A%2F%2Fb%3Fc%3D%2541",
                "/a?u=https:/%2Fb%3Fc%3D%2541".replace(":/%2F", "://").as_str(),
            ),
        ] {
            assert_eq!(Target::parse(raw).unwrap().to_string(), form, "{raw}");
        }
    }

    #[test]
    fn what_two_servers_read_in_two_ways_is_refused() {
        for raw in [
            "",
            "a",
            "*",
            "//",
            "//evil.example/x",
            "/a//b",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/a/%2e%2e/b",
            "/a/%2E%2e/b",
            "/a/.%2e/b",
            "/a/%252e%252e/b",
            "/a/%2f%2e%2e%2fb",
            "/a/..%2fb",
            "/a%2F%2Fb",
            "/a/%c0%ae%c0%ae/b",
            "/a/%u002e/b",
            "/a/%ef%bc%8e%ef%bc%8e/b",
            "/a/%ef%bc%8fb",
            "/a/%e2%81%84",
            "/a\\b",
            "/a%5cb",
            "/a;b",
            "/a%3bb",
            "/a%00b",
            "/a%0d%0ab",
            "/a%",
            "/a%zz",
            "/a#b",
            "/a b",
            "/caf\u{e9}",
            "/e%cc%81",
            "/a?b=%zz",
            "/a?b=%00",
            "/a?b=%0d%0aX:y",
        ] {
            assert!(Target::parse(raw).is_err() || raw == "/a/%e2%81%84", "{raw}");
        }
    }
}
