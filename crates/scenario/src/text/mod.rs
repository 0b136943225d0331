//! From YAML text to typed values, with the place of everything that is wrong.

mod de;
mod node;
mod place;

pub(crate) use de::{ENTRIES, from_map};
pub(crate) use node::{Key, Kind, Node, read};
pub use place::Problem;
pub(crate) use place::unknown_key;

/// The same text as a JSON value, for trying the schema on it.
#[cfg(test)]
pub(crate) fn value(text: &str) -> Result<serde_json::Value, Problem> {
    serde::Deserialize::deserialize(&read(text)?)
}
