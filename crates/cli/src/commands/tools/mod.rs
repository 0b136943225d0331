//! `remit tools`: the registry, tool by tool.

mod admit;
mod diff;
mod ls;
mod retire;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;

/// What to do with tools.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List tools with their state and class
    #[command(visible_alias = "list")]
    Ls(ls::Args),
    /// Admit quarantined tools
    Admit(admit::Args),
    /// What a tool is now, against what was admitted
    Diff(diff::Args),
    /// Take tools out for good
    Retire(retire::Args),
}

/// Runs `remit tools`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Ls(args) => ls::run(context, &args).await,
        Command::Admit(args) => admit::run(context, &args).await,
        Command::Diff(args) => diff::run(context, &args).await,
        Command::Retire(args) => retire::run(context, &args).await,
    }
}
