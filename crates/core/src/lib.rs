//! The language of the domain: no I/O, no async, no clock, no serde on domain types.
