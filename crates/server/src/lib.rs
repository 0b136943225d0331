//! Issuer, approvals, tasks, registry, control API, jobs: everything with I/O and a life.

pub mod app;
pub mod approvals;
pub mod attest;
pub mod broker;
pub mod clock;
pub mod config;
pub mod control;
pub mod egress;
pub mod engine;
pub mod evidence;
pub mod fetch;
pub mod findings;
pub mod freezes;
mod health;
pub mod issuer;
pub mod jobs;
pub mod keys;
pub mod logins;
pub mod paths;
pub mod people;
pub mod policies;
pub mod proofs;
pub mod registry;
pub mod seal;
pub mod secrets;
pub mod start;
pub mod tasks;
