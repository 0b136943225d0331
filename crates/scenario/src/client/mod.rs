//! A minimal MCP client: it plays the scenario's agents, in either revision.

mod answer;
mod http;
mod mcp;

pub(crate) use answer::{Answer, Outcome};
pub(crate) use mcp::{Ask, Caller, Client};
