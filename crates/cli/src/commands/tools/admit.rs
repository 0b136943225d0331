//! `remit tools admit`.

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Admits quarantined tools.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("which").required(true))]
pub struct Args {
    /// Which: `server/tool`
    #[arg(group = "which", value_name = "TOOL")]
    pub tools: Vec<String>,
    /// Those of this server, with `--all`
    #[arg(long, group = "which", requires = "all", value_name = "NAME")]
    pub server: Option<String>,
    /// All of the server's
    #[arg(long, requires = "server")]
    pub all: bool,
    /// As this class instead of the proposed one: never a lower one than the tool's own annotations say
    #[arg(long, value_name = "CLASS", value_parser = ["read", "write", "delete", "transfer", "exec", "privilege"])]
    pub class: Option<String>,
    /// Mark them as not to be undone
    #[arg(long)]
    pub irreversible: bool,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new()
        .list("tools", &args.tools)
        .maybe("server", args.server.clone())
        .flag("all", args.all)
        .maybe("class", args.class.clone())
        .flag("irreversible", args.irreversible)
        .acting(&args.acting)
        .done();
    let answer = context.control()?.post("/v1/tools/admit", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    for tool in fields::list(&answer, "admitted") {
        let name = match tool.get("tool") {
            Some(name) => fields::as_text(Some(name)),
            None => fields::as_text(Some(tool)),
        };
        context.out.line(
            Text::new()
                .good("admitted ")
                .plain(name)
                .dim(format!("  {}", fields::text(tool, "class"))),
        )?;
    }
    Ok(())
}
