//! `remit leases`: every credential of every task, and what may honestly be said about its end.

use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;

/// Lists leases.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those of this task
    #[arg(long, value_name = "TASK", conflicts_with = "open")]
    pub task: Option<String>,
    /// Only those that are not over
    #[arg(long)]
    pub open: bool,
}

/// Runs `remit leases`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let query = match (&args.task, args.open) {
        (Some(task), _) => format!("?task={}", part(task)),
        (None, true) => "?open=true".to_owned(),
        (None, false) => String::new(),
    };
    let leases = context.control()?.get(&format!("/v1/leases{query}")).await?;
    if context.print_json(&leases)? {
        return Ok(());
    }
    if fields::items(&leases).is_empty() {
        return context.out.line("no leases");
    }
    let columns = ["id", "task", "system", "backend", "class", "state", "promise"];
    let mut table = Table::new(&["lease", "task", "system", "backend", "class", "state", "life"]);
    for lease in fields::items(&leases) {
        table.row(columns.map(|field| fields::text(lease, field).into()));
    }
    context.out.table(table)
}
