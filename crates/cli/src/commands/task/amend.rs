//! `remit task amend`.

use remit_server::config::duration_ms;

use super::open::authority_lines;
use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Changes what a running task may do and what it is for. More goes as far as the agent's ceiling, the rights of who
/// opened it, and the parent task.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true))]
pub struct Args {
    /// Which task
    pub task: String,
    /// Keep only these tools: `server/tool`, `server/*`, `server:read`
    #[arg(long, value_name = "TOOL", group = "change")]
    pub allow: Vec<String>,
    /// Keep only this resource and what is below: `system:path`
    #[arg(long = "resource", value_name = "RESOURCE", group = "change")]
    pub resources: Vec<String>,
    /// Keep only this destination: `host:NAME`, `email:ADDRESS`
    #[arg(long = "destination", value_name = "DESTINATION", group = "change")]
    pub destinations: Vec<String>,
    /// Allow a tool besides: `server/tool`, `server:read`
    #[arg(long = "add-tool", value_name = "TOOL", group = "change")]
    pub add_tools: Vec<String>,
    /// Let it touch a resource besides
    #[arg(long = "add-resource", value_name = "RESOURCE", group = "change")]
    pub add_resources: Vec<String>,
    /// Let it send to a destination besides
    #[arg(long = "add-destination", value_name = "DESTINATION", group = "change")]
    pub add_destinations: Vec<String>,
    /// Another objective; what was decided before keeps the old one
    #[arg(long, value_name = "TEXT", group = "change")]
    pub intent: Option<String>,
    /// End it this long from now: `30m`, `2h`
    #[arg(long, value_name = "TIME", value_parser = duration_ms, group = "change")]
    pub ttl: Option<u64>,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new()
        .list("allow", &args.allow)
        .list("resources", &args.resources)
        .list("destinations", &args.destinations)
        .list("add_tools", &args.add_tools)
        .list("add_resources", &args.add_resources)
        .list("add_destinations", &args.add_destinations)
        .maybe("intent", args.intent.clone())
        .maybe("ttl_ms", args.ttl)
        .acting(&args.acting)
        .done();
    let task = context
        .control()?
        .post(&format!("/v1/tasks/{}/amend", part(&args.task)), &body)
        .await?;
    if context.print_json(&task)? {
        return Ok(());
    }
    context.out.line(
        Text::new()
            .good("amended ")
            .plain(fields::text(&task, "task"))
            .plain(format!(" · version {}", fields::text(&task, "version"))),
    )?;
    for line in authority_lines(&task) {
        context.out.line(line)?;
    }
    Ok(())
}
