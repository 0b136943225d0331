//! The tool registry: servers and tools by fingerprint, quarantined → admitted → retired.

pub mod arguments;
pub mod classify;
pub mod definition;
pub mod schema;
