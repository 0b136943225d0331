//! `remit kill`.

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Ends authority at once.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A task (`task_…`), a run (`run_…`), an agent (its name), or `all`
    pub id: String,
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
        .acting(&args.acting)
        .done();
    let answer = context.control()?.post("/v1/kill", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    let killed = fields::list(&answer, "killed");
    let processes = fields::list(&answer, "processes");
    let number = |items: &[serde_json::Value]| u64::try_from(items.len()).unwrap_or(u64::MAX);
    context.out.line(
        Text::new()
            .strong("dead")
            .plain(format!(": {}", fields::counted(number(killed), "task")))
            .plain(match processes.len() {
                0 => String::new(),
                1 => ", 1 process".to_owned(),
                more => format!(", {more} processes"),
            }),
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
    Ok(())
}
