//! Runs scenario files through the real gateway: the acceptance suite and the users' policy test tool.

mod file;
mod text;

pub use text::Problem;
