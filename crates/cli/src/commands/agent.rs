//! `remit agent`: the registered non-human identities.

use clap::Subcommand;
use remit_server::config::duration_ms;
use serde_json::Value;

use super::people::{self, Verb};
use crate::context::{Acting, Body, Context};
use crate::failure::Failure;

/// What to do with agents.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register an agent
    Add(Add),
    /// Make a token that lets one workload be this agent, once
    Enrol(Enrol),
    #[command(flatten)]
    Verb(Verb),
}

/// Enrols a workload.
#[derive(Debug, clap::Args)]
pub struct Enrol {
    /// The agent it becomes
    pub name: String,
    /// How long the token may be used: `10m`, `1h`, at most `7d`
    #[arg(long, value_name = "TIME", value_parser = duration_ms)]
    pub ttl: Option<u64>,
    #[command(flatten)]
    pub acting: Acting,
}

/// Registers an agent.
#[derive(Debug, clap::Args)]
pub struct Add {
    /// Its name: 1 to 40 of `a-z 0-9 . @ - _`
    pub name: String,
    /// The human who answers for it
    #[arg(long, value_name = "HUMAN")]
    pub owner: String,
    /// Who answers when the owner cannot
    #[arg(long, value_name = "HUMAN")]
    pub backup_owner: Option<String>,
    /// What it is for
    #[arg(long, value_name = "TEXT")]
    pub purpose: Option<String>,
    /// The most it may ever hold: a tool `server/tool`, `server/*`, or a class `server:read`
    #[arg(long = "ceiling-allow", value_name = "TOOL")]
    pub ceiling_allow: Vec<String>,
    /// The most it may ever reach: `system:path` and what is below
    #[arg(long = "ceiling-resource", value_name = "RESOURCE")]
    pub ceiling_resources: Vec<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// Runs `remit agent`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    let args = match command {
        Command::Verb(verb) => {
            return people::run(context, "/v1/agents", &["owner", "backup_owner", "purpose"], verb).await;
        }
        Command::Enrol(args) => return enrol(context, &args).await,
        Command::Add(args) => args,
    };
    let ceiling = Body::new()
        .list("allow", &args.ceiling_allow)
        .list("resources", &args.ceiling_resources)
        .done();
    let body = Body::new()
        .with("name", args.name.as_str())
        .with("owner", args.owner.as_str())
        .maybe("backup_owner", args.backup_owner.clone())
        .maybe("purpose", args.purpose.clone())
        .maybe("ceiling", ceiling.as_object().filter(|c| !c.is_empty()).cloned())
        .acting(&args.acting)
        .done();
    let agent: Value = context.control()?.post("/v1/agents", &body).await?;
    if context.print_json(&agent)? {
        return Ok(());
    }
    context
        .out
        .line(format!("agent {} registered, owner {}", args.name, args.owner))
}

async fn enrol(context: &Context, args: &Enrol) -> Result<(), Failure> {
    let body = Body::new().maybe("ttl_ms", args.ttl).acting(&args.acting).done();
    let path = format!("/v1/agents/{}/enrol", crate::control_client::part(&args.name));
    let made = context.control()?.post(&path, &body).await?;
    if context.print_json(&made)? {
        return Ok(());
    }
    context.out.line(crate::fields::text(&made, "enrolment"))?;
    context.out.note(format!(
        "It is shown this once and works once, until {}: the workload posts it to {} with a DPoP proof of its key.",
        crate::fields::text(&made, "expires_at"),
        crate::fields::text(&made, "attest_url")
    ));
    Ok(())
}
