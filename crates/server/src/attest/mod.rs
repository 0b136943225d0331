//! Attestation: a run shows what it is before it gets a token that works, and the token is bound to what it showed.

pub mod bind;
pub mod enrol;
pub mod evidence;
pub mod http;
mod keys;

pub use keys::Documents;
