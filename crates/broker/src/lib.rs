//! The broker's own knowledge: how secrets are sealed, where references lead, how each backend makes, ends and probes
//! a credential, and what a statement to a database means.
//!
//! It keeps nothing and dials nothing: connections come through [`port`], made by the one dialler, each recorded before.
//! Values are opened in `vault/envelope.rs` and read from outside in `source/`; nowhere else.

pub mod backend;
pub mod port;
pub mod source;
pub mod sql;
pub mod vault;
