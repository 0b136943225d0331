//! Issuer, approvals, tasks, registry, control API, jobs: everything with I/O and a life.

pub mod approvals;
pub mod clock;
pub mod config;
pub mod keys;
pub mod paths;
pub mod registry;
pub mod seal;
