//! Backends: each makes one kind of credential, says how surely it dies, and can end it and prove it dead.

pub mod postgresql;
