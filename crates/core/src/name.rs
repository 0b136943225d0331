//! Names people give to agents, humans, servers, systems and templates; and the names MCP servers give their tools.

use std::fmt;
use std::str::FromStr;

use crate::limits::{NAME_BYTES_MAX, TOOL_NAME_BYTES_MAX};

/// A name given by a person: `[a-z0-9][a-z0-9.@-]*` with single underscores, at most 40 bytes.
///
/// Compared bytewise: there is no case, space or Unicode folding to get wrong. `__` separates server and tool in
/// aggregated names, so it is not allowed here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Box<str>);

/// Text that cannot be a name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` cannot be a name: use 1 to 40 of `a-z 0-9 . @ -` and single `_`, starting with a letter or digit"
)]
pub struct BadName(pub String);

impl Name {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._@-".contains(&b));
        let start = text
            .bytes()
            .next()
            .is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if letters && start && text.len() <= NAME_BYTES_MAX && !text.contains("__") && !text.ends_with('_') {
            Ok(Self(text.into()))
        } else {
            Err(BadName(
                text.chars().take(80).flat_map(char::escape_debug).collect(),
            ))
        }
    }
}

/// A tool's name as its server gives it: 1 to 128 of `[A-Za-z0-9_.-]` (MCP 2026-07-28, server/tools).
///
/// Anything else (spaces, other scripts, bidirectional marks, zero-width characters) is not a name we can show or
/// compare safely; such tools stay quarantined.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolName(Box<str>);

/// Text that cannot be a tool's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot be a tool name: MCP allows 1 to 128 of `A-Z a-z 0-9 _ . -`")]
pub struct BadToolName(pub String);

impl ToolName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What remains when letters that look alike or are commonly swapped are folded: two tools with the same
    /// skeleton are look-alikes.
    #[must_use]
    pub fn skeleton(&self) -> String {
        self.0
            .bytes()
            .filter(|b| b.is_ascii_alphanumeric())
            .map(|b| match b.to_ascii_lowercase() {
                b'0' => 'o',
                b'1' | b'i' => 'l',
                b'5' => 's',
                other => char::from(other),
            })
            .collect::<String>()
            .replace("rn", "m")
            .replace("vv", "w")
    }
}

impl FromStr for ToolName {
    type Err = BadToolName;

    fn from_str(text: &str) -> Result<Self, BadToolName> {
        let letters = text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        if letters && !text.is_empty() && text.len() <= TOOL_NAME_BYTES_MAX {
            Ok(Self(text.into()))
        } else {
            Err(BadToolName(
                text.chars().take(140).flat_map(char::escape_debug).collect(),
            ))
        }
    }
}

macro_rules! textual {
    ($($name:ident)*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}
textual!(Name ToolName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_narrow() {
        for good in ["alice", "claude-code", "acme.web", "a_b", "x@y.z", "0"] {
            assert_eq!(good.parse::<Name>().map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in [
            "",
            "Alice",
            "a__b",
            "-a",
            "a b",
            "аlice",
            "a/b",
            "a_",
            &"x".repeat(41),
        ] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn look_alike_tools_share_a_skeleton() {
        let skeleton = |text: &str| text.parse::<ToolName>().unwrap().skeleton();
        assert_eq!(skeleton("send_email"), skeleton("sendEmai1"));
        assert_eq!(skeleton("read_form"), skeleton("readforrn"));
        assert_ne!(skeleton("read_file"), skeleton("write_file"));
        assert!("delete\u{202e}elif".parse::<ToolName>().is_err());
    }
}
