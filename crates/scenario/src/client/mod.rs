//! A minimal MCP client: it plays the scenario's agents, in either revision.

mod answer;
mod http;
mod mcp;
mod web;

pub(crate) use answer::{Answer, Outcome};
pub(crate) use mcp::{Ask, Caller, Client};
pub(crate) use web::{WebAsk, send as send_web};
