//! The binary `remit`.
fn main() {}
