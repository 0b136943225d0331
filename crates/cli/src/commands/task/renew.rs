//! `remit task renew`.

use remit_server::config::duration_ms;

use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;
use crate::out::when;

/// Gives a task more time.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which task
    pub task: String,
    /// How long it may last from now on: `30m`, `2h`
    #[arg(long, value_name = "TIME", value_parser = duration_ms, default_value = "1h")]
    pub ttl: u64,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new().with("ttl_ms", args.ttl).acting(&args.acting).done();
    let task = context
        .control()?
        .post(&format!("/v1/tasks/{}/renew", part(&args.task)), &body)
        .await?;
    if context.print_json(&task)? {
        return Ok(());
    }
    let until = when::moment(task.get("expires_at"))
        .map(|at| format!(" until {}", when::clock_time(at, context.now())))
        .unwrap_or_default();
    context.out.line(
        Text::new()
            .good("renewed ")
            .plain(fields::text(&task, "task"))
            .plain(until),
    )?;
    for narrowed in fields::list(&task, "narrowed") {
        context.out.line(
            Text::new()
                .careful("  less   ")
                .plain(fields::as_text(Some(narrowed))),
        )?;
    }
    Ok(())
}
