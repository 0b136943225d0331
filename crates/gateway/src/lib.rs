//! Protocols towards agents (MCP over streamable HTTP and stdio): parsing and framing through ports.

pub mod config;
pub mod http;
pub mod ports;
pub mod wrap;

pub use config::GatewayConfig;
pub use http::{AllowedHosts, router};
