//! How large, how deep and how exact a document may be.

use crate::limits;

/// What to do with a number that a double cannot carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Numbers {
    /// Refuse a number whose decimal value is not exactly that of the shortest form ECMAScript gives its
    /// nearest double, and keep the others in that form: what we decide on is what every reader reads.
    Exact,
    /// Keep the number as it was written: for documents that are only relayed.
    Verbatim,
}

/// What to do with `\u0000` in a string or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nul {
    /// Refuse it: readers written in C end the string there.
    Refused,
    /// Keep it: tools return the text of binary files.
    Kept,
}

/// The bounds of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Longest document, in bytes.
    pub bytes_max: usize,
    /// Deepest nesting, in arrays and objects; `[]` has depth 1, a bare string depth 0. More than
    /// [`limits::JSON_DEPTH_MAX`] counts as that: reading, comparing and dropping a value recurse per level.
    pub depth_max: usize,
    /// Most nodes in the document: every scalar, array, object and key counts one.
    pub nodes_max: usize,
    /// How exact numbers must be.
    pub numbers: Numbers,
    /// Whether strings may hold U+0000.
    pub nul: Nul,
}

impl Bounds {
    /// What an agent, a human or a configuration sends us: exact numbers, no NUL.
    pub const REQUEST: Self = Self {
        bytes_max: limits::REQUEST_BYTES_MAX,
        depth_max: limits::JSON_DEPTH_MAX,
        nodes_max: limits::JSON_NODES_MAX,
        numbers: Numbers::Exact,
        nul: Nul::Refused,
    };

    /// What an upstream answers and we relay: numbers as written, NUL kept.
    pub const RESPONSE: Self = Self {
        bytes_max: limits::RESPONSE_BYTES_MAX,
        depth_max: limits::JSON_DEPTH_MAX,
        nodes_max: limits::JSON_RESPONSE_NODES_MAX,
        numbers: Numbers::Verbatim,
        nul: Nul::Kept,
    };
}
