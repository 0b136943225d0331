//! `remit task show`.

use serde_json::Value;

use super::open::authority_lines;
use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;
use crate::out::when;

/// Shows a task.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which task
    pub task: String,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let task = context
        .control()?
        .get(&format!("/v1/tasks/{}", part(&args.task)))
        .await?;
    if context.print_json(&task)? {
        return Ok(());
    }
    context.out.line(
        Text::new()
            .strong(format!("task {} ", fields::text(&task, "task")))
            .join(state(&fields::text(&task, "state"))),
    )?;
    let mut table = Table::bare();
    for key in [
        "intent",
        "purpose",
        "initiator",
        "agent",
        "run",
        "parent",
        "mode",
        "template",
    ] {
        let text = match (key, task.get(key)) {
            ("intent", Some(Value::Object(intent))) => fields::as_text(intent.get("goal")),
            (_, value) => fields::as_text(value),
        };
        if !text.is_empty() {
            table.row([Text::new().dim(format!("  {key}")), text.into()]);
        }
    }
    let now = context.now();
    for (key, name) in [("opened_at", "opened"), ("expires_at", "until")] {
        if let Some(at) = when::moment(task.get(key)) {
            let text = format!("{} ({})", when::clock_time(at, now), when::distance(at, now));
            table.row([Text::new().dim(format!("  {name}")), text.into()]);
        }
    }
    if let Some(counts) = task.get("counts") {
        table.row([Text::new().dim("  calls"), tally(counts).into()]);
    }
    context.out.table(table)?;
    for line in authority_lines(&task) {
        context.out.line(line)?;
    }
    Ok(())
}

/// A task's state in its colour.
pub(super) fn state(state: &str) -> Text {
    match state {
        "open" => Text::new().good(state),
        "suspended" => Text::new().careful(state),
        _ => Text::new().dim(state),
    }
}

/// `41 calls: 38 allow, 2 hold, 1 deny`
pub fn tally(counts: &Value) -> String {
    let [allow, hold, deny] = ["allow", "hold", "deny"].map(|key| fields::count(counts, key));
    format!(
        "{}: {allow} allow, {hold} hold, {deny} deny",
        fields::counted(allow + hold + deny, "call")
    )
}
