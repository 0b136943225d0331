//! `remit task list`.

use serde_json::Value;

use super::show::state;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;
use crate::out::when;

/// Lists tasks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Also those that have ended
    #[arg(long)]
    pub all: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let path = if args.all {
        "/v1/tasks"
    } else {
        "/v1/tasks?state=open"
    };
    let tasks = context.control()?.get(path).await?;
    if context.print_json(&tasks)? {
        return Ok(());
    }
    if fields::items(&tasks).is_empty() {
        return context
            .out
            .line("no task is open; open one with `remit run --intent \"…\" -- CMD`");
    }
    let now = context.now();
    let mut table = Table::new(&["task", "state", "agent", "initiator", "ends", "intent"]);
    for task in fields::items(&tasks) {
        let ends = when::moment(task.get("expires_at")).map(|at| when::distance(at, now));
        let intent = match task.get("intent") {
            Some(Value::Object(intent)) => fields::as_text(intent.get("goal")),
            other => fields::as_text(other),
        };
        table.row([
            fields::text(task, "task").into(),
            state(&fields::text(task, "state")),
            fields::text(task, "agent").into(),
            fields::text(task, "initiator").into(),
            Text::from(ends.unwrap_or_default()),
            intent.into(),
        ]);
    }
    context.out.table(table)
}
