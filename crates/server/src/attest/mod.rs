//! Attestation: a run shows what it is before it gets a token that works, and the token is bound to what it showed.

pub mod bind;
pub mod enrol;
pub mod evidence;
pub mod http;
mod keys;
pub(crate) mod word;

pub use keys::Documents;
pub(crate) use keys::document;
