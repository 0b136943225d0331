//! `remit system add`.

use std::path::{Path, PathBuf};

use super::clients;
use crate::context::{Acting, Body, Context};
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

/// Registers a system.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name: 1 to 40 of `a-z 0-9 . @ - _`; operations are then `NAME/operation`
    pub name: String,
    /// A shipped description; NAME where one is shipped by it, else `http`
    #[arg(long, value_name = "NAME", conflicts_with_all = ["description", "openapi"])]
    pub kind: Option<String>,
    /// A description of your own, in TOML
    #[arg(long, value_name = "FILE", conflicts_with = "openapi")]
    pub description: Option<PathBuf>,
    /// An OpenAPI 3 document, in JSON or YAML
    #[arg(long, value_name = "FILE")]
    pub openapi: Option<PathBuf>,
    /// A host that is this system, instead of the description's; `*.example.org` for all below one
    #[arg(long = "host", value_name = "HOST")]
    pub hosts: Vec<String>,
    /// Take the hosts from what pip, uv, npm and cargo are configured to use here
    #[arg(long)]
    pub from_clients: bool,
    /// `https` or `http`
    #[arg(long, value_name = "SCHEME")]
    pub scheme: Option<String>,
    /// Port, where it is not the scheme's own
    #[arg(long)]
    pub port: Option<u16>,
    /// Its addresses may be on this machine or in a private network
    #[arg(long)]
    pub allow_private: bool,
    /// Say what it would be, and register nothing
    #[arg(long)]
    pub propose: bool,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let mut hosts = args.hosts.clone();
    if args.from_clients {
        let found = clients::hosts(|name| std::env::var(name).ok());
        if found.is_empty() {
            return Err(Failure::local(
                "pip, uv, npm and cargo name no registry of their own here: give it with `--host`",
            ));
        }
        hosts.extend(found);
    }
    let body = Body::new()
        .with("name", args.name.as_str())
        .maybe("kind", args.kind.clone())
        .maybe(
            "description",
            args.description.as_deref().map(text_of).transpose()?,
        )
        .maybe("openapi", args.openapi.as_deref().map(text_of).transpose()?)
        .list("hosts", &hosts)
        .maybe("scheme", args.scheme.clone())
        .maybe("port", args.port)
        .flag("allow_private", args.allow_private)
        .flag("propose", args.propose)
        .acting(&args.acting)
        .done();
    let answer = context.control()?.post("/v1/systems", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    if args.propose {
        return context.out.line(fields::text(&answer, "description"));
    }
    let operations = fields::list(&answer, "operations");
    let hosts: Vec<String> = fields::list(&answer, "hosts")
        .iter()
        .map(|host| fields::as_text(Some(host)))
        .collect();
    context
        .out
        .line(Text::new().strong(format!("system {}", args.name)).plain(format!(
            " · {} operations at {}",
            operations.len(),
            hosts.join(", ")
        )))?;
    let mut table = Table::bare();
    for operation in operations {
        let marks = ["irreversible", "mints"]
            .into_iter()
            .filter(|mark| operation.get(*mark).and_then(serde_json::Value::as_bool) == Some(true))
            .collect::<Vec<_>>()
            .join(" ");
        table.row([
            format!("  {}", fields::text(operation, "tool")).into(),
            fields::text(operation, "class").into(),
            Text::new().careful(marks),
            Text::new().dim(fields::text(operation, "call")),
        ]);
    }
    context.out.table(table)?;
    for left_out in fields::list(&answer, "left_out") {
        context.out.line(
            Text::new()
                .careful("  left out  ")
                .plain(fields::as_text(Some(left_out))),
        )?;
    }
    Ok(())
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::local(format!("cannot read `{}`: {error}", path.display())))
}
