//! What MCP messages mean, without HTTP: parameters to requests of the engine, its answers to messages.

pub(crate) mod answer;
pub(crate) mod ask;
pub(crate) mod capabilities;
pub(crate) mod client;
pub(crate) mod level;
pub(crate) mod lists;
pub(crate) mod mirror;
pub(crate) mod names;
pub(crate) mod notify;
pub(crate) mod refusal;
pub(crate) mod resume;
