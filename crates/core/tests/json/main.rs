//! The JSON of the data path: what is taken, what is refused and why, and that what comes out stays put.

#![cfg(test)]

mod api;
mod canonical;
mod differential;
mod invariants;
mod mutations;
mod properties;
mod refused;
mod strategies;
mod taken;
