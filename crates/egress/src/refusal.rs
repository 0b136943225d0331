//! Why a request was refused before policy was asked: it cannot be read in one way, or nothing like it is known.

use remit_core::decision::Reason;

/// A refusal with the reason that is recorded and the sentence the agent reads.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// The reason.
    pub reason: Reason,
    /// What is wrong and what to do.
    pub sentence: String,
}

impl Refusal {
    /// It could be read in more than one way, or not at all.
    pub fn opaque(sentence: impl Into<String>) -> Self {
        Self {
            reason: Reason::NotInspectable,
            sentence: sentence.into(),
        }
    }

    /// Nothing like it is known.
    pub fn unknown(sentence: impl Into<String>) -> Self {
        Self {
            reason: Reason::OutOfAuthority,
            sentence: sentence.into(),
        }
    }
}

/// Text of the agent in a sentence: short, and harmless to a terminal.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(120).flat_map(char::escape_debug).collect()
}
