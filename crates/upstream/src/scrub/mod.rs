//! Cleans what servers say: known secrets in any common encoding, terminal escapes and control characters are removed.

mod control;
mod encodings;
mod seek;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use arc_swap::ArcSwap;
use remit_core::json::{Object, Value};

pub use seek::Seek;

/// What stands where a secret stood.
pub const REMOVED: &str = "[removed by remit]";
/// Shorter secrets would be found in ordinary text, in bytes.
const SECRET_BYTES_MIN: usize = 6;

/// Knows the secrets that must never come back from a server. Cheap to use when there is nothing to remove.
///
/// It works on parsed strings, so it does not matter how a server cut its answer into chunks. What it looks for can change
/// while it is in use: whoever holds it looks for what is known now.
#[derive(Default)]
pub struct Scrubber(ArcSwap<Known>);

/// Never shows a secret.
impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Scrubber(…)")
    }
}

#[derive(Default)]
struct Known {
    secrets: Option<AhoCorasick>,
    /// The forms looked for, in lower case and in order.
    forms: Vec<Vec<u8>>,
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
            self.0.store(Arc::default());
            return Ok(());
        }
        let mut forms: Vec<Vec<u8>> = patterns.iter().map(|form| form.to_ascii_lowercase()).collect();
        forms.sort_unstable();
        forms.dedup();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            // Hexadecimal and percent encodings come in both cases.
            .ascii_case_insensitive(true)
            .build(patterns)
            .map_err(|_| TooManySecrets)?;
        self.0.store(Arc::new(Known {
            secrets: Some(search),
            forms,
        }));
        Ok(())
    }

    /// True when there is nothing to look for.
    pub(crate) fn knows_nothing(&self) -> bool {
        self.0.load().secrets.is_none()
    }

    /// The bytes without secrets. A body is no text for a terminal: everything else stays.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let known = self.0.load();
        let Some(search) = &known.secrets else {
            return bytes.to_vec();
        };
        let mut clean = Vec::with_capacity(bytes.len());
        let mut rest = 0;
        for found in search.find_iter(bytes) {
            clean.extend_from_slice(bytes.get(rest..found.start()).unwrap_or_default());
            clean.extend_from_slice(REMOVED.as_bytes());
            rest = found.end();
        }
        clean.extend_from_slice(bytes.get(rest..).unwrap_or_default());
        clean
    }

    /// How many bytes at the end could be the beginning of a secret.
    pub(crate) fn could_begin_at_end(&self, bytes: &[u8]) -> usize {
        let known = self.0.load();
        let longest = known.forms.iter().map(Vec::len).max().unwrap_or(0);
        let most = bytes.len().min(longest.saturating_sub(1));
        let tail = bytes
            .get(bytes.len() - most..)
            .unwrap_or_default()
            .to_ascii_lowercase();
        let begins = |end: &[u8]| {
            let at = known.forms.partition_point(|form| form.as_slice() < end);
            known.forms.get(at).is_some_and(|form| form.starts_with(end))
        };
        (0..tail.len())
            .find(|&start| tail.get(start..).is_some_and(begins))
            .map_or(0, |start| tail.len() - start)
    }

    /// The text without secrets, escape sequences and control characters (new lines and tabs stay).
    #[must_use]
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        // Escapes first: they could be what splits a secret.
        let plain = control::without(text);
        let known = self.0.load();
        let Some(search) = &known.secrets else {
            return plain;
        };
        if !search.is_match(plain.as_bytes()) {
            return plain;
        }
        let mut clean = String::with_capacity(plain.len());
        let mut rest = 0;
        for found in search.find_iter(plain.as_bytes()) {
            // Patterns are whole characters of ASCII or of the secret itself, so matches end on character boundaries.
            clean.push_str(plain.get(rest..found.start()).unwrap_or_default());
            clean.push_str(REMOVED);
            rest = found.end();
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
                let known = self.0.load();
                let dirty = known
                    .secrets
                    .as_ref()
                    .is_some_and(|search| search.is_match(number.lexeme().as_bytes()));
                if dirty {
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

/// More secrets than one search can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there are too many secrets to look for in one answer")]
pub struct TooManySecrets;
