//! The gateway over real TCP, in front of an engine that does what each test says.

#![cfg(test)]

mod bad_input;
mod docs;
mod fake;
mod legacy;
mod listing;
mod modern;
mod refusals;
mod server;
mod streams;
mod wrap;
