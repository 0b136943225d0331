//! `remit human`: the people who own agents, open tasks and answer approvals.

use clap::Subcommand;

use super::people::{self, Verb};
use crate::context::{Acting, Body, Context};
use crate::failure::Failure;

/// What to do with humans.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a human
    Add(Add),
    #[command(flatten)]
    Verb(Verb),
}

/// Registers a human.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// Their name: 1 to 40 of `a-z 0-9 . @ - _`
    pub name: String,
    /// A role policies speak of, for example `approver`
    #[arg(long = "role", value_name = "ROLE", required = true)]
    pub roles: Vec<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// Runs `remit human`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let args = match command {
        Command::Verb(verb) => return people::run(context, "/v1/humans", &["roles"], verb).await,
        Command::Add(args) => args,
    };
    let body = Body::new()
        .with("name", args.name.as_str())
        .list("roles", &args.roles)
        .acting(&args.acting)
        .done();
    let human = context.control()?.post("/v1/humans", &body).await?;
    if context.print_json(&human)? {
        return Ok(());
    }
    context.out.line(format!(
        "human {} registered, roles {}",
        args.name,
        args.roles.join(", ")
    ))
}
