//! `remit policy show`.

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let policy = context.control()?.get("/v1/policy").await?;
    if context.print_json(&policy)? {
        return Ok(());
    }
    context.out.line(
        Text::new()
            .strong("policy ")
            .plain(fields::text(&policy, "version")),
    )?;
    let mut table = Table::new(&["rule", "layer", "at"]);
    for rule in fields::list(&policy, "rules") {
        let line = fields::text(rule, "line");
        let at = [fields::text(rule, "file"), line].join(":");
        table.row([
            fields::text(rule, "id").into(),
            fields::text(rule, "layer").into(),
            Text::new().dim(at.trim_end_matches(':')),
        ]);
    }
    context.out.table(table)
}
