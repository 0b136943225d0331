//! `remit task`: the life of a task.

mod amend;
pub mod done;
mod hold;
mod list;
pub mod open;
mod renew;
mod show;

use clap::Subcommand;

use crate::context::Context;
use crate::failure::Failure;

/// What to do with a task.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Open a task for an agent; prints its token once
    Open(open::Args),
    /// Show a task: its authority, state and counts
    Show(show::Args),
    /// List tasks
    List(list::Args),
    /// Change what a running task allows, or what it is for: a new version of it
    Amend(amend::Args),
    /// Give a task more time: a decision of its own
    Renew(renew::Args),
    /// Stop a task for now; nothing of it is decided until it is resumed
    Suspend(hold::Args),
    /// Continue a suspended task
    Resume(hold::Args),
    /// End a task: its authority is gone with the next call
    Done(done::Args),
}

/// Runs `remit task`.
///
/// # Errors
/// As the command under it.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Open(args) => open::run(context, &args).await,
        Command::Show(args) => show::run(context, &args).await,
        Command::List(args) => list::run(context, &args).await,
        Command::Amend(args) => amend::run(context, &args).await,
        Command::Renew(args) => renew::run(context, &args).await,
        Command::Suspend(args) => hold::run(context, "suspend", &args).await,
        Command::Resume(args) => hold::run(context, "resume", &args).await,
        Command::Done(args) => done::run(context, &args).await,
    }
}
