//! `remit mcp logins`: what people let Remit do at servers and systems that want OAuth.

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

pub(super) async fn run(context: &Context) -> Result<(), Failure> {
    let logins = context.control()?.get("/v1/logins").await?;
    if context.print_json(&logins)? {
        return Ok(());
    }
    if fields::items(&logins).is_empty() {
        return context.out.line(
            "nobody is signed in anywhere; `remit mcp login NAME` signs you in to a server that wants it",
        );
    }
    let mut table = Table::new(&["server", "human", "state", "scopes", "given by"]);
    for login in fields::items(&logins) {
        let human = fields::text(login, "human");
        table.row([
            fields::text(login, "server").into(),
            match fields::text(login, "owner").as_str() {
                "active" => human.into(),
                "client" => Text::new().plain("nobody: the client itself"),
                other => Text::new().careful(format!("{human} ({other})")),
            },
            match fields::text(login, "state").as_str() {
                "ready" => Text::new().good("ready"),
                other => Text::new().dim(other),
            },
            fields::text(login, "scopes").into(),
            fields::text(login, "issuer").into(),
        ]);
    }
    context.out.table(table)
}
