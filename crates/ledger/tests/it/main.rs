//! The ledger from outside: known vectors, properties against a naive reference, mutation of real logs.

mod naive;
mod tree;
