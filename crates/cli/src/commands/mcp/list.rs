//! `remit mcp list`.

use super::command_of;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let servers = context.control()?.get("/v1/servers").await?;
    if context.print_json(&servers)? {
        return Ok(());
    }
    if fields::items(&servers).is_empty() {
        return context
            .out
            .line("no servers; add one with `remit mcp add NAME -- CMD…` or `--url URL`");
    }
    let mut table = Table::new(&["name", "tools", "callable", "network", "at"]);
    for server in fields::items(&servers) {
        let command = command_of(server).join(" ");
        table.row([
            fields::text(server, "name").into(),
            fields::text(server, "tools").into(),
            fields::text(server, "callable").into(),
            match fields::text(server, "network").as_str() {
                "uncontained" => Text::new().careful("uncontained"),
                other => other.into(),
            },
            [fields::text(server, "url"), command].concat().into(),
        ]);
    }
    context.out.table(table)
}
