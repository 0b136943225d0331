//! `remit human`: the people who own agents, open tasks and answer approvals.

use clap::Subcommand;

use super::people::{self, Verb};
use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;

/// What to do with humans.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a human
    Add(Add),
    /// Confirm a new human, or their new role, as a second person: it counts for two-person approvals at once
    Confirm(Login),
    /// Print a link by which a local person signs in at a browser; it works once, for five minutes
    Login(Login),
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
    /// Their own right to a tool: `server/tool`, `server/*`, `server:read`; no task they open holds more. Without any they
    /// are not limited below the guardrails
    #[arg(long = "limit", value_name = "TOOL")]
    pub limits: Vec<String>,
    /// Their own right to a resource and what is below: `system:path`
    #[arg(long = "limit-resource", value_name = "RESOURCE")]
    pub limit_resources: Vec<String>,
    /// A person; a system that opens tasks; or a system through which strangers do, held to the template `public`
    #[arg(long, value_name = "KIND", value_parser = ["human", "system", "stranger"])]
    pub kind: Option<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// One human.
#[derive(Debug, clap::Args)]
pub struct Login {
    /// Who
    pub name: String,
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
        Command::Confirm(args) => return confirm(context, &args).await,
        Command::Login(args) => return login(context, &args).await,
        Command::Add(args) => args,
    };
    let rights = (!args.limits.is_empty() || !args.limit_resources.is_empty()).then(|| {
        Body::new()
            .list("allow", &args.limits)
            .list("resources", &args.limit_resources)
            .done()
    });
    let body = Body::new()
        .with("name", args.name.as_str())
        .list("roles", &args.roles)
        .maybe("kind", args.kind.clone())
        .maybe("rights", rights)
        .acting(&args.acting)
        .done();
    let human = context.control()?.post("/v1/humans", &body).await?;
    if context.print_json(&human)? {
        return Ok(());
    }
    context.out.line(format!(
        "{} {} registered, roles {}",
        args.kind.as_deref().unwrap_or("human"),
        args.name,
        args.roles.join(", ")
    ))
}

async fn confirm(context: &Context, args: &Login) -> Result<(), Failure> {
    let body = Body::new().acting(&args.acting).done();
    let path = format!("/v1/humans/{}/confirm", part(&args.name));
    let human = context.control()?.post(&path, &body).await?;
    if context.print_json(&human)? {
        return Ok(());
    }
    context.out.line(format!(
        "{} counts for two-person approvals from now on",
        args.name
    ))
}

async fn login(context: &Context, args: &Login) -> Result<(), Failure> {
    let body = Body::new().acting(&args.acting).done();
    let path = format!("/v1/humans/{}/login", part(&args.name));
    let link = context.control()?.post(&path, &body).await?;
    if context.print_json(&link)? {
        return Ok(());
    }
    context.out.line(fields::text(&link, "link"))
}
