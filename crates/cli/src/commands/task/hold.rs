//! `remit task suspend` and `remit task resume`.

use super::show::state;
use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Suspends a task, or opens it again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which task
    pub task: String,
    #[command(flatten)]
    pub acting: Acting,
}

/// `verb` is `suspend` or `resume`.
pub(super) async fn run(context: &Context, verb: &str, args: &Args) -> Result<(), Failure> {
    let body = Body::new().acting(&args.acting).done();
    let task = context
        .control()?
        .post(&format!("/v1/tasks/{}/{verb}", part(&args.task)), &body)
        .await?;
    if context.print_json(&task)? {
        return Ok(());
    }
    context.out.line(
        Text::new()
            .plain(format!("{}: ", fields::text(&task, "task")))
            .join(state(&fields::text(&task, "state"))),
    )
}
