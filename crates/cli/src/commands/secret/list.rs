//! `remit secret list`

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;

/// Runs `remit secret list`.
///
/// # Errors
/// Not running.
pub async fn run(context: &Context) -> Result<(), Failure> {
    let secrets = context.control()?.get("/v1/secrets").await?;
    if context.print_json(&secrets)? {
        return Ok(());
    }
    if fields::items(&secrets).is_empty() {
        return context
            .out
            .line("no secrets; keep one with `remit secret add NAME --system SYSTEM`");
    }
    let mut table = Table::new(&["secret", "system", "account", "source", "version", "state"]);
    for secret in fields::items(&secrets) {
        table.row(
            ["name", "system", "account", "source", "version", "state"]
                .map(|field| fields::text(secret, field).into()),
        );
    }
    context.out.table(table)
}
