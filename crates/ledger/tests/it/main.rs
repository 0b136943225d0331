//! The ledger from outside: known vectors, properties against a naive reference, mutation of real logs.

#[cfg(test)]
mod naive;
#[cfg(test)]
mod tree;
