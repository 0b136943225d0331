//! Runs scenario files through the real gateway: the acceptance suite and the users' policy test tool.

mod client;
mod file;
mod stub;
mod text;

pub use text::Problem;
