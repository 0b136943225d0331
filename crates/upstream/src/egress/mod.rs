//! Requests that are not MCP: one permitted call becomes one HTTP request, rebuilt from the call and from nothing else.

mod body;
mod injection;
mod outlet;
mod response;
mod sigv4;
mod stream_scrub;
mod way;

pub use body::Source;
pub use injection::{AwsKey, Injection};
pub use outlet::{Outbound, Outlet};
pub use response::{EgressBody, EgressResponse};
