//! Servers we start: launched shut in, spoken to line by line, ended with everything they started.

pub(crate) mod launch;
pub(crate) mod leg;
pub(crate) mod lines;
pub(crate) mod supervise;
pub(crate) mod tail;
