//! Runs scenario files through the real gateway: the acceptance suite and the users' policy test tool.
//!
//! A file (`docs/scenarios.md`) is read strictly, its stub servers are started on loopback, an engine is started on fresh
//! data with a clock of its own, everything the file declares is put in place through the use cases people use, and its
//! steps are done in order by a real MCP client and real verdicts. Afterwards the ledger must verify and nothing may have
//! reached a server without an allow record.

mod client;
mod clock;
mod engine_handle;
mod file;
mod report;
mod run;
mod stub;
mod text;
mod web;

pub use report::{Options, Summary, run_files};
pub use text::Problem;
