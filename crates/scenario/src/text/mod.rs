//! From YAML text to typed values, with the place of everything that is wrong.

mod de;
mod node;
mod place;

pub(crate) use de::{ENTRIES, from_map};
pub(crate) use node::{Key, Kind, Node, read};
pub use place::Problem;
pub(crate) use place::unknown_key;
