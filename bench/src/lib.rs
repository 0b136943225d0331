//! The figures the project is held to, each measured through public interfaces. `bench/run` builds what it takes and prints them.

pub mod append;
pub mod calls;
mod contextforge;
pub mod decision;
pub mod egress;
pub mod growth;
mod house;
pub mod identity;
pub mod large;
pub mod leases;
mod peer;
mod plain;
pub mod report;
mod stub;
pub mod tasks;
pub mod time;
pub mod up;
pub mod verify;
