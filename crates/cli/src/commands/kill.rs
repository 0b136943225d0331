//! `remit kill`.

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Ends authority at once. It has a way of its own to the server, and works while everything else is busy.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task (`task_…`), a run (`run_…`), an agent (`agent:NAME`), all a human opened or owns (`human:NAME`), a tool
    /// (`SERVER/TOOL`), a destination (`host:NAME`), or `all`
    pub id: String,
    /// Lift the stop of a destination again
    #[arg(long)]
    pub lift: bool,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// Kills and says what was hit.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new()
        .with("id", args.id.as_str())
        .maybe("reason", args.reason.clone())
        .maybe("lift", args.lift.then_some(true))
        .acting(&args.acting)
        .done();
    let answer = context.kill_lane()?.post("/v1/kill", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    if args.lift {
        return context
            .out
            .line(Text::new().good("lifted ").plain(args.id.as_str()));
    }
    if args.id.starts_with("host:") || args.id.contains('/') {
        context
            .out
            .line(Text::new().strong("stopped ").plain(args.id.as_str()))?;
    }
    let killed = fields::list(&answer, "killed");
    let processes = fields::list(&answer, "processes");
    let number = |items: &[serde_json::Value]| u64::try_from(items.len()).unwrap_or(u64::MAX);
    context.out.line(
        Text::new()
            .strong("dead")
            .plain(format!(": {}", fields::counted(number(killed), "task"))),
    )?;
    for task in killed {
        context.out.line(
            Text::new()
                .dim("  task       ")
                .plain(fields::as_text(Some(task))),
        )?;
    }
    for call in fields::list(&answer, "in_flight") {
        context
            .out
            .line(Text::new().careful("  in flight  ").plain(format!(
                "{} since {}",
                fields::text(call, "call"),
                fields::text(call, "since")
            )))?;
    }
    for process in processes {
        context
            .out
            .line(Text::new().careful("  alive      ").plain(format!(
                "process {} of {}, without authority",
                fields::text(process, "pid"),
                fields::text(process, "run")
            )))?;
    }
    Ok(())
}
