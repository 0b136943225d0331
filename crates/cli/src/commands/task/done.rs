//! `remit task done`.

use serde_json::Value;

use super::show::tally;
use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Ends a task.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which task
    pub task: String,
    /// It did not reach its objective
    #[arg(long)]
    pub cancelled: bool,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let outcome = if args.cancelled { "cancelled" } else { "completed" };
    let body = Body::new().with("outcome", outcome).acting(&args.acting).done();
    let ended = context
        .control()?
        .post(&format!("/v1/tasks/{}/done", part(&args.task)), &body)
        .await?;
    if context.print_json(&ended)? {
        return Ok(());
    }
    context.out.line(closing(&ended))
}

/// `ended task_… · 41 calls: 38 allow, 2 hold, 1 deny · authority gone · proof PATH`
#[must_use]
pub fn closing(ended: &Value) -> Text {
    let mut line = Text::new()
        .strong("ended ")
        .plain(fields::text(ended, "task"))
        .plain(format!(" ({})", fields::text(ended, "state")));
    if let Some(summary) = ended.get("summary") {
        line = line.plain(format!(" · {}", tally(summary)));
    }
    line = line.plain(" · authority gone");
    let proof = fields::text(ended, "proof");
    if proof.is_empty() {
        line
    } else {
        line.plain(format!(" · proof {proof}"))
    }
}
