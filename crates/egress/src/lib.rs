//! The egress proxy towards agents: descriptions of systems, one reading of every request, base-URL mode and interception.
//!
//! It knows protocols and ports only: what is decided, recorded, resolved and sent is behind [`ports::Engine`].

pub mod authority;
pub mod ca;
pub mod describe;
mod door;
pub mod ports;
pub mod refusal;
pub mod request;
pub mod spool;
pub mod target;

pub use door::{Front, FrontConfig, ResponseBody};
