//! The figures the project is held to, each measured through public interfaces. `bench/run` builds what it takes and prints them.

pub mod append;
pub mod calls;
pub mod decision;
mod house;
pub mod report;
mod stub;
pub mod tasks;
pub mod time;
pub mod up;
pub mod verify;
