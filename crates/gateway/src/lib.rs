//! Protocols towards agents (MCP over streamable HTTP and stdio): parsing and framing through ports.
//!
//! `rpc` reads and writes JSON-RPC, `mcp` knows what messages mean, `http` frames them, `wrap` is the agent's side of
//! stdio. Everything else is behind [`ports::Engine`].

pub mod config;
mod flights;
pub mod http;
mod mcp;
pub mod ports;
mod revision;
mod rpc;
pub mod wrap;

pub use config::GatewayConfig;
pub use http::{AllowedHosts, Identify, Listener, Tls, router, serve};
