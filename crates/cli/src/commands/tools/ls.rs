//! `remit tools ls`.

use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

/// Lists tools.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those of this server
    pub server: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let path = match &args.server {
        Some(server) => format!("/v1/tools?server={}", part(server)),
        None => "/v1/tools".to_owned(),
    };
    let tools = context.control()?.get(&path).await?;
    if context.print_json(&tools)? {
        return Ok(());
    }
    if fields::items(&tools).is_empty() {
        return context
            .out
            .line("no tools; register a server with `remit mcp add NAME -- CMD…`");
    }
    let mut table = Table::new(&["tool", "state", "class", "marks", "why"]);
    for tool in fields::items(&tools) {
        let state = fields::text(tool, "state");
        let changed = if fields::is(tool, "changed") {
            ", changed"
        } else {
            ""
        };
        let shown = format!("{state}{changed}");
        let state = match state.as_str() {
            "admitted" if changed.is_empty() => Text::new().good(shown),
            "retired" => Text::new().dim(shown),
            _ => Text::new().careful(shown),
        };
        let findings: Vec<String> = fields::list(tool, "findings")
            .iter()
            .map(|finding| fields::text(finding, "sentence"))
            .collect();
        let why = if findings.is_empty() {
            Text::new().dim(fields::text(tool, "because"))
        } else {
            findings.join("; ").into()
        };
        table.row([
            fields::text(tool, "tool").into(),
            state,
            what(tool).into(),
            fields::text(tool, "marks").into(),
            why,
        ]);
    }
    context.out.table(table)
}

/// The class of a tool; what else a server says is named as what it is.
fn what(tool: &serde_json::Value) -> String {
    let kind = fields::text(tool, "kind");
    if kind == "tool" || kind.is_empty() {
        fields::text(tool, "class")
    } else {
        kind
    }
}
