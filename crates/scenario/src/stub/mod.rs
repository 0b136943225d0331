//! Stub MCP servers: real HTTP servers on loopback with canned answers, which remember everything that reaches them.

mod answers;
mod legacy;
mod listener;
mod message;
mod modern;
mod serve;
mod state;
#[cfg(test)]
mod tests;
mod write;

pub(crate) use listener::Stub;
pub(crate) use state::contains;
