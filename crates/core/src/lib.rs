//! The language of the domain: no I/O, no async, no clock, no serde on domain types.

pub mod amount;
pub mod approval;
pub mod authority;
pub mod call;
pub mod confinement;
pub mod decision;
pub mod destination;
pub mod digest;
pub mod entropy;
pub mod id;
pub mod json;
pub mod label;
pub mod lease;
pub mod limits;
pub mod name;
pub mod people;
pub mod resource;
pub mod task;
pub mod time;
pub mod tool;
pub mod verb;
