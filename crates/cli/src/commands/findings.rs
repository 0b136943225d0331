//! `remit findings`: identities that look misused.

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::when;

/// Lists findings, newest first.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let findings = context.control()?.get("/v1/findings").await?;
    if context.print_json(&findings)? {
        return Ok(());
    }
    if fields::items(&findings).is_empty() {
        return context.out.line("nothing was found");
    }
    let now = context.now();
    let mut table = Table::new(&["last seen", "times", "kind", "agent", "what"]);
    for finding in fields::items(&findings) {
        let last = when::moment(finding.get("last_at")).map(|at| when::clock_time(at, now));
        table.row([
            last.unwrap_or_default().into(),
            fields::text(finding, "times").into(),
            fields::text(finding, "kind").into(),
            fields::text(finding, "agent").into(),
            fields::text(finding, "message").into(),
        ]);
    }
    context.out.table(table)
}
