//! Cleans what servers say: known secrets in any common encoding, terminal escapes and control characters are removed.

mod beginnings;
mod control;
mod encodings;
mod seek;
mod shadow;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use arc_swap::ArcSwapOption;
use beginnings::Beginnings;
use bytes::Bytes;
use remit_core::json::{Object, Value};
use shadow::Shadow;

pub use seek::Seek;

/// What stands where a secret stood.
pub const REMOVED: &str = "[removed by remit]";
/// Shorter secrets would be found in ordinary text, in bytes.
const SECRET_BYTES_MIN: usize = 6;
/// Layers of escapes that are undone: JSON in a string of JSON in a page, an address in an address.
const LAYERS_MAX: usize = 3;
/// A form may be so many times as long where it stands escaped; what is held back of a stream is bounded by it.
const ESCAPED_FACTOR: usize = 4;
/// And so many bytes, for short forms.
const ESCAPED_BYTES: usize = 64;
/// A long text is looked at in pieces of so many bytes: what is noted of its escapes is longer than they are.
const PIECE_BYTES: usize = 64 * 1024;

/// Knows the secrets that must never come back from a server. Cheap to use when there is nothing to remove.
///
/// It works on parsed strings, so it does not matter how a server cut its answer into chunks. What it looks for can change
/// while it is in use: whoever holds it looks for what is known now.
#[derive(Default)]
pub struct Scrubber(ArcSwapOption<Secrets>);

/// Never shows a secret.
impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrubber(…)")
    }
}

struct Secrets {
    search: AhoCorasick,
    beginnings: Beginnings,
}

/// What a look at a piece of text found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Where secrets stand, in order; none touches another's bytes.
    pub(crate) spans: Vec<Range<usize>>,
    /// From here on a secret may have begun whose end has not come yet.
    pub(crate) open: usize,
}

impl Scrubber {
    /// A scrubber for these secrets; those shorter than 6 bytes are left out, they would be found everywhere.
    ///
    /// # Errors
    /// Too many or too long secrets for one search (hundreds of megabytes).
    pub fn new(secrets: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, TooManySecrets> {
        let scrubber = Self::default();
        scrubber.look_for(secrets)?;
        Ok(scrubber)
    }

    /// Looks for these secrets from now on, in place of those before.
    ///
    /// # Errors
    /// As [`Scrubber::new`]; what was looked for before still is.
    pub fn look_for(&self, secrets: impl IntoIterator<Item = impl AsRef<str>>) -> Result<(), TooManySecrets> {
        let patterns: Vec<Vec<u8>> = secrets
            .into_iter()
            .filter(|secret| secret.as_ref().len() >= SECRET_BYTES_MIN)
            .flat_map(|secret| encodings::of(secret.as_ref()))
            .collect();
        if patterns.is_empty() {
            self.0.store(None);
            return Ok(());
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // Hexadecimal comes in both cases.
            .ascii_case_insensitive(true)
            .build(&patterns)
            .map_err(|_| TooManySecrets)?;
        self.0.store(Some(Arc::new(Secrets {
            search,
            beginnings: Beginnings::of(patterns),
        })));
        Ok(())
    }

    /// True when there is nothing to look for.
    pub(crate) fn knows_nothing(&self) -> bool {
        self.0.load().is_none()
    }

    /// Looks for secrets, as they are and through the escapes of the text. Only of the `last` piece of a text it is known
    /// that nothing follows.
    pub(crate) fn look(&self, text: &[u8], last: bool) -> Found {
        match &*self.0.load() {
            Some(secrets) => secrets.look(text, last),
            None => Found {
                spans: Vec::new(),
                open: text.len(),
            },
        }
    }

    /// Where secrets stand in a whole text.
    fn spans(&self, text: &[u8]) -> Vec<Range<usize>> {
        let known = self.0.load();
        let Some(secrets) = &*known else {
            return Vec::new();
        };
        let piece = PIECE_BYTES.max(2 * secrets.held_max());
        let (mut spans, mut from) = (Vec::new(), 0);
        loop {
            let rest = text.get(from..).unwrap_or_default();
            let here = rest.get(..piece).unwrap_or(rest);
            let last = here.len() == rest.len();
            let found = secrets.look(here, last);
            spans.extend(found.spans.iter().map(|span| span.start + from..span.end + from));
            if last {
                return spans;
            }
            from += found.open;
        }
    }

    /// The bytes without what was found in them.
    pub(crate) fn without(bytes: Bytes, spans: &[Range<usize>]) -> Bytes {
        if spans.is_empty() {
            return bytes;
        }
        let mut clean = Vec::with_capacity(bytes.len());
        let mut rest = 0;
        for span in spans {
            clean.extend_from_slice(bytes.get(rest..span.start).unwrap_or_default());
            clean.extend_from_slice(REMOVED.as_bytes());
            rest = span.end;
        }
        clean.extend_from_slice(bytes.get(rest..).unwrap_or_default());
        clean.into()
    }

    /// The text without secrets, escape sequences and control characters (new lines and tabs stay).
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // Escapes first: they could be what splits a secret.
        let plain = control::without(text);
        let spans = self.spans(plain.as_bytes());
        if spans.is_empty() {
            return plain;
        }
        let mut clean = String::with_capacity(plain.len());
        let mut rest = 0;
        for span in spans {
            // Forms are whole characters of ASCII or of the secret itself, and escapes are ASCII: spans end where characters do.
            clean.push_str(plain.get(rest..span.start).unwrap_or_default());
            clean.push_str(REMOVED);
            rest = span.end;
        }
        clean.push_str(plain.get(rest..).unwrap_or_default());
        Cow::Owned(clean)
    }

    /// Cleans every string and every key inside.
    pub fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(clean) = self.text(text) {
                    *text = clean;
                }
            }
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(object) => self.object(object),
            Value::Number(number) => {
                if !self.spans(number.lexeme().as_bytes()).is_empty() {
                    *value = Value::from(REMOVED);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Cleans every string and every key inside.
    pub fn object(&self, object: &mut Object) {
        let dirty = object.keys().any(|key| matches!(self.text(key), Cow::Owned(_)));
        if dirty {
            *object = std::mem::take(object)
                .into_iter()
                .map(|(key, value)| (self.text(&key).into_owned(), value))
                .collect();
        }
        for (_, value) in object.iter_mut() {
            self.value(value);
        }
    }

    /// Cleans and shortens text for an error message: at most `max` characters, on one line.
    pub(crate) fn excerpt(&self, text: &str, max: usize) -> String {
        let clean = self.text(text);
        let mut short: String = clean
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(max)
            .collect();
        if clean.chars().nth(max).is_some() {
            short.push('…');
        }
        short.trim().to_owned()
    }
}

impl Secrets {
    fn look(&self, text: &[u8], last: bool) -> Found {
        let mut spans: Vec<Range<usize>> = self.search.find_iter(text).map(|found| found.range()).collect();
        let mut open = self.open(text, last);
        let mut layers: Vec<Shadow> = Vec::new();
        while layers.len() < LAYERS_MAX {
            let under = layers.last().map_or(text, |layer| &layer.text);
            let Some(shadow) = Shadow::of(under, last) else {
                break;
            };
            let down = |offset| layers.iter().rev().fold(offset, |at, layer| layer.start(at));
            open = open.min(down(shadow.start(self.open(&shadow.text, last))));
            if let Some(unfinished) = shadow.unfinished {
                open = open.min(down(unfinished));
            }
            for found in self.search.find_iter(&shadow.text) {
                let end = shadow.end(found.end());
                let end = layers.iter().rev().fold(end, |at, layer| layer.end(at));
                spans.push(down(shadow.start(found.start()))..end);
            }
            layers.push(shadow);
        }
        if !layers.is_empty() {
            spans.sort_unstable_by_key(|span| (span.start, span.end));
            spans.dedup_by(|next, before| {
                let touches = next.start < before.end;
                if touches {
                    before.end = before.end.max(next.end);
                }
                touches
            });
        }
        let open = open
            .max(text.len().saturating_sub(self.held_max()))
            // What was found is taken out whole; nothing begins inside of it.
            .max(spans.last().map_or(0, |span| span.end));
        Found { spans, open }
    }

    /// Most bytes of a piece that are looked at again with the next one.
    const fn held_max(&self) -> usize {
        self.beginnings.longest() * ESCAPED_FACTOR + ESCAPED_BYTES
    }

    fn open(&self, text: &[u8], last: bool) -> usize {
        if last {
            return text.len();
        }
        text.len() - self.beginnings.at_end(text)
    }
}

/// More secrets than one search can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are too many secrets to look for in one answer")]
pub struct TooManySecrets;
