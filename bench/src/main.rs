//! Every figure the README quotes.
fn main() {}
