//! `remit system`: systems reached over HTTP, by their description.

mod add;
mod clients;
mod list;
mod retire;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;

/// What to do with systems.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a system: each of its operations becomes a tool
    Add(add::Args),
    /// List systems, and descriptions that are shipped
    List,
    /// Take a system and its operations out
    Retire(retire::Args),
}

/// Runs `remit system`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add(args) => add::run(context, &args).await,
        Command::List => list::run(context).await,
        Command::Retire(args) => retire::run(context, &args).await,
    }
}
