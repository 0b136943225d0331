//! `remit freeze`: no change to a resource until a time.

use clap::Subcommand;

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;
use crate::out::when;

/// Freezes a resource.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// What else to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Which, with all below it: `system:path`
    #[arg(required = true)]
    pub resource: Option<String>,
    /// Until when: `2h`, `18:00`, `2026-11-21 18:00`
    #[arg(long, value_name = "TIME", required = true)]
    pub until: Option<String>,
    /// Why, for those who run into it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// What else to do with freezes.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// List what is frozen
    List,
    /// End a freeze before its time
    Lift {
        /// Which resource
        resource: String,
        #[command(flatten)]
        acting: Acting,
    },
}

/// Runs `remit freeze`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    match &args.command {
        Some(Command::List) => list(context).await,
        Some(Command::Lift { resource, acting }) => {
            let body = Body::new()
                .with("resource", resource.as_str())
                .acting(acting)
                .done();
            let answer = context.control()?.post("/v1/freezes/lift", &body).await?;
            if context.print_json(&answer)? {
                return Ok(());
            }
            context.out.line(format!("lifted: {resource} may change again"))
        }
        None => freeze(context, args).await,
    }
}

async fn freeze(context: &Context, args: &Args) -> Result<(), Failure> {
    let now = context.now();
    let resource = args.resource.as_deref().unwrap_or_default();
    let until = when::future(args.until.as_deref().unwrap_or_default(), now).map_err(Failure::Usage)?;
    let body = Body::new()
        .with("resource", resource)
        .with("until_ms", until.0)
        .maybe("reason", args.reason.clone())
        .acting(&args.acting)
        .done();
    let answer = context.control()?.post("/v1/freezes", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    context
        .out
        .line(Text::new().strong("frozen ").plain(resource).plain(format!(
            " until {} ({})",
            when::clock_time(until, now),
            when::distance(until, now)
        )))
}

async fn list(context: &Context) -> Result<(), Failure> {
    let freezes = context.control()?.get("/v1/freezes").await?;
    if context.print_json(&freezes)? {
        return Ok(());
    }
    if fields::items(&freezes).is_empty() {
        return context.out.line("nothing is frozen");
    }
    let now = context.now();
    let mut table = Table::new(&["resource", "until", "by", "reason"]);
    for freeze in fields::items(&freezes) {
        let until = [
            freeze.get("until_ms"),
            freeze.get("until"),
            freeze.get("until_at"),
        ]
        .into_iter()
        .find_map(when::moment)
        .map(|at| when::clock_time(at, now));
        table.row([
            fields::text(freeze, "resource").into(),
            until.unwrap_or_default().into(),
            fields::text(freeze, "by").into(),
            fields::text(freeze, "reason").into(),
        ]);
    }
    context.out.table(table)
}
