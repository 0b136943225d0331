//! Real children, really shut in. What the machine cannot do is skipped with a word on standard error.
#![cfg(target_os = "linux")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod attested;
mod connections;
mod escapes;
mod harden;
mod house;
mod peers;
mod speed;
mod trees;
mod work;
