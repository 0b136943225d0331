//! The tool registry: servers and tools by fingerprint, quarantined → admitted → retired.

pub mod admit;
pub mod arguments;
pub mod classify;
pub mod definition;
pub mod observe;
pub mod schema;
pub mod servers;
pub mod snapshot;
pub mod surface;
