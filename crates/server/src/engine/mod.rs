//! The way of a call: prepare, decide, record, permit, send, record the outcome, answer.

pub mod body;
pub mod call;
pub mod carried;
pub mod catalog;
pub mod cause;
pub mod closing;
mod content;
pub mod continuation;
pub mod decide;
pub mod features;
pub mod flights;
pub mod hold;
pub mod links;
pub mod live;
mod message;
pub mod origin;
pub mod port;
pub mod record;
pub mod redeem;
pub mod rooms;
pub mod send;
pub mod session;
pub mod subscribe;
pub mod uses;
pub(crate) mod waiting;
pub mod world;
