//! Credentials at the edge: how an upstream gives one over OAuth, what one looks like, and where it may stand. No I/O.

pub mod detect;
pub mod minted;
pub mod oauth;
