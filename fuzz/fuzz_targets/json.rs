//! Any bytes at all, through the strict JSON parser: `cargo +nightly fuzz run json`. The invariants are those of
//! `crates/core/tests/json`, whose `mutations` is the stable short form of this target.
#![no_main]

#[path = "../../crates/core/tests/json/invariants.rs"]
mod invariants;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| invariants::check(bytes));
