//! Tests of the policy crate through its public API.

mod matrix;
