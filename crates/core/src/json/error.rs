//! Why a document was refused, and where.

use std::fmt;

/// A refused document. The fault is always its author's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error {
    /// What is wrong.
    pub kind: ErrorKind,
    /// Where: the offset from the start of the document, in bytes, of the offending token or byte; for a
    /// document that ends too soon, its length.
    pub offset: usize,
}

/// What is wrong with a refused document. The list is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// Nothing but white space.
    Empty,
    /// A byte order mark at the start.
    ByteOrderMark,
    /// Bytes that are not UTF-8.
    InvalidUtf8,
    /// Longer than `bytes_max`.
    TooLarge,
    /// Nested deeper than `depth_max`.
    TooDeep,
    /// More values and keys than `nodes_max`.
    TooManyNodes,
    /// Ends inside a value.
    UnexpectedEnd,
    /// A character that cannot stand here.
    UnexpectedCharacter,
    /// A bare word other than `true`, `false` and `null`: `NaN`, `Infinity`, `undefined`, a key without quotes.
    UnknownWord,
    /// A comment.
    Comment,
    /// Something after the end of the value.
    TrailingData,
    /// A number outside the grammar: a leading zero, a missing digit, a hexadecimal digit.
    InvalidNumber,
    /// A number no double carries exactly as written.
    InexactNumber,
    /// A control character that is not escaped.
    ControlCharacter,
    /// An escape JSON does not know.
    InvalidEscape,
    /// Half of a surrogate pair.
    LoneSurrogate,
    /// The character U+0000 in a string.
    NulCharacter,
    /// A key that stands twice in one object, compared after unescaping.
    DuplicateKey,
}

impl ErrorKind {
    /// The name of this kind for logs and tests, in snake case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::ByteOrderMark => "byte_order_mark",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::TooLarge => "too_large",
            Self::TooDeep => "too_deep",
            Self::TooManyNodes => "too_many_nodes",
            Self::UnexpectedEnd => "unexpected_end",
            Self::UnexpectedCharacter => "unexpected_character",
            Self::UnknownWord => "unknown_word",
            Self::Comment => "comment",
            Self::TrailingData => "trailing_data",
            Self::InvalidNumber => "invalid_number",
            Self::InexactNumber => "inexact_number",
            Self::ControlCharacter => "control_character",
            Self::InvalidEscape => "invalid_escape",
            Self::LoneSurrogate => "lone_surrogate",
            Self::NulCharacter => "nul_character",
            Self::DuplicateKey => "duplicate_key",
        }
    }

    /// What is wrong, and what to do about it.
    const fn sentence(self) -> (&'static str, &'static str) {
        match self {
            Self::Empty => ("the document is empty", "send one JSON value"),
            Self::ByteOrderMark => ("byte order mark", "send UTF-8 without one"),
            Self::InvalidUtf8 => ("not UTF-8", "encode the document as UTF-8"),
            Self::TooLarge => ("the document is too long", "send less, or raise the bound"),
            Self::TooDeep => ("nested too deep", "flatten the document"),
            Self::TooManyNodes => ("too many values and keys", "split the document"),
            Self::UnexpectedEnd => ("the document ends inside a value", "send all of it"),
            Self::UnexpectedCharacter => ("unexpected character", "write RFC 8259 JSON"),
            Self::UnknownWord => (
                "unknown word",
                "only `true`, `false` and `null` stand without quotes",
            ),
            Self::Comment => ("comment", "remove it, JSON has none"),
            Self::TrailingData => ("data after the end of the value", "send one JSON value"),
            Self::InvalidNumber => ("malformed number", "write it as RFC 8259 says, such as `-1.5e3`"),
            Self::InexactNumber => (
                "a double does not carry this number exactly",
                "send it as a string",
            ),
            Self::ControlCharacter => ("control character in a string", "escape it as `\\u00XX`"),
            Self::InvalidEscape => (
                "unknown escape",
                "use `\\\" \\\\ \\/ \\b \\f \\n \\r \\t` or `\\uXXXX`",
            ),
            Self::LoneSurrogate => (
                "half of a surrogate pair",
                "send both halves, or the character itself",
            ),
            Self::NulCharacter => ("the character U+0000", "remove it"),
            Self::DuplicateKey => ("duplicate key", "send each key of an object once"),
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.sentence().0)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (wrong, remedy) = self.kind.sentence();
        write!(f, "{wrong} at byte {}: {remedy}", self.offset)
    }
}

impl std::error::Error for Error {}
