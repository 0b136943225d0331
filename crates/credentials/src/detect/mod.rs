//! Detection: what in a text looks like a credential. Placeholders of ours, formats of known issuers, and, weaker, values
//! that only look random and stand where a secret stands.
//!
//! Known formats are judged by prefix, alphabet and length, and by their checksum where they carry one, so that they can be
//! refused. What only looks random is never refused for that: real code is full of digests and identifiers.

mod formats;
mod randomness;

use std::ops::Range;

/// What every placeholder starts with.
pub const PLACEHOLDER: &str = "remit-placeholder-";

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A placeholder: worthless, but nothing an agent has to carry about.
    Placeholder,
    /// A credential in a known form; its issuer or form in words.
    Known(&'static str),
    /// A random-looking value that is assigned to something named like a secret.
    Random,
}

/// One find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What it looks like.
    pub kind: Kind,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// Everything in `text` that looks like a credential, in order, without overlaps.
#[must_use]
pub fn find(text: &str) -> Vec<Found> {
    let mut found = formats::find(text);
    for random in randomness::find(text) {
        let overlaps = |known: &Found| known.at.start < random.at.end && random.at.start < known.at.end;
        if !found.iter().any(overlaps) {
            found.push(random);
        }
    }
    found.sort_by_key(|one| one.at.start);
    found
}

/// Only what is in a known form or a placeholder, in order: for content that nobody named.
#[must_use]
pub fn known(text: &str) -> Vec<Found> {
    formats::find(text)
}

/// A find as it may be shown: what it is, its first characters, its length; never the value.
#[must_use]
pub fn masked(text: &str, found: &Found) -> String {
    let value = text.get(found.at.clone()).unwrap_or_default();
    let what = match found.kind {
        Kind::Placeholder => "placeholder",
        Kind::Known(what) => what,
        Kind::Random => "random-looking value",
    };
    let head: String = value.chars().take(4).collect();
    format!("{what} `{head}…` ({} bytes)", value.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_are_masked() {
        let text = format!(
            "token={}",
            concat!("ghp_", "abcdefghijklmnopqrstuvwxyzABCD0123456789")
        );
        for one in find(&text) {
            let shown = masked(&text, &one);
            assert!(!shown.contains("ijklmnop"), "{shown}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_on_character_borders(text in "\\PC{0,200}") {
            for one in find(&text) {
                prop_assert!(text.get(one.at).is_some());
            }
        }
    }
}
