//! The ledger from outside: known vectors, properties against a naive reference, mutation of real logs.

#[cfg(test)]
mod export;
#[cfg(test)]
mod log;
#[cfg(test)]
mod mutate;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod second;
#[cfg(test)]
mod tamper;
#[cfg(test)]
mod tree;
