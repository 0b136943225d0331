//! `remit timeline`: a task from its opening to its end.

use crate::commands::record;
use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;

/// Everything that happened in a task.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which task
    pub task: String,
}

/// Prints the records of a task in order.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let records = context
        .control()?
        .get(&format!("/v1/timeline/{}", part(&args.task)))
        .await?;
    for one in fields::items(&records) {
        record::print(context, one)?;
    }
    if fields::items(&records).is_empty() && !context.out.json {
        context.out.line("nothing is recorded for this task")?;
    }
    Ok(())
}
