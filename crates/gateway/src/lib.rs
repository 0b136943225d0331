//! Protocols towards agents (MCP over streamable HTTP and stdio): parsing and framing through ports.

pub mod ports;
