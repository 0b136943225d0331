//! `remit tail`: what is decided, as it is decided.

use crate::commands::record;
use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;

/// Follows the ledger.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this task
    #[arg(long, value_name = "TASK")]
    pub task: Option<String>,
    /// How many of the newest records to begin with
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub lines: u64,
    /// Stop there instead of following
    #[arg(long)]
    pub once: bool,
}

/// Prints the newest records, then each new one.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let control = context.control()?;
    let task = args
        .task
        .as_deref()
        .map(|task| format!("&task={}", part(task)))
        .unwrap_or_default();
    let newest = control
        .get(&format!("/v1/records?limit={}{task}", args.lines))
        .await?;
    let mut after = None;
    for one in fields::items(&newest) {
        after = one.get("seq").and_then(serde_json::Value::as_u64);
        record::print(context, one)?;
    }
    if args.once {
        return Ok(());
    }
    let from = after.map_or_else(|| "after=newest".to_owned(), |seq| format!("after={seq}"));
    let mut stream = control
        .stream(&format!("/v1/records/stream?{from}{task}"))
        .await?;
    while let Some(one) = stream.next().await? {
        record::print(context, &one)?;
    }
    Ok(())
}
