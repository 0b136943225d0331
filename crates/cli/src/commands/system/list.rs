//! `remit system list`.

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let systems = context.control()?.get("/v1/systems").await?;
    if context.print_json(&systems)? {
        return Ok(());
    }
    let mut table = Table::new(&["name", "operations", "at"]);
    for system in fields::items(&systems) {
        let registered = system.get("registered").and_then(serde_json::Value::as_bool) == Some(true);
        let hosts: Vec<String> = fields::list(system, "hosts")
            .iter()
            .map(|host| fields::as_text(Some(host)))
            .collect();
        table.row(if registered {
            [
                fields::text(system, "name").into(),
                fields::text(system, "operations").into(),
                hosts.join(", ").into(),
            ]
        } else {
            [
                Text::new().dim(fields::text(system, "name")),
                "".into(),
                Text::new().dim("shipped; add it with `remit system add`"),
            ]
        });
    }
    context.out.table(table)
}
