//! `remit grants`: approvals that cover more than one call.

use clap::Subcommand;

use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;
use crate::out::when;

/// Lists grants, or takes one back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to do with them.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do with grants.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Take a grant back
    Revoke {
        /// Which: `grant_…`
        id: String,
        #[command(flatten)]
        acting: Acting,
    },
}

/// Runs `remit grants`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let control = context.control()?;
    if let Some(Command::Revoke { id, acting }) = &args.command {
        let body = Body::new().acting(acting).done();
        let answer = control
            .post(&format!("/v1/grants/{}/revoke", part(id)), &body)
            .await?;
        if context.print_json(&answer)? {
            return Ok(());
        }
        return context.out.line(format!("revoked {id}"));
    }
    let grants = control.get("/v1/grants").await?;
    if context.print_json(&grants)? {
        return Ok(());
    }
    if fields::items(&grants).is_empty() {
        return context.out.line("no grants");
    }
    let now = context.now();
    let mut table = Table::new(&["grant", "task", "tool", "left", "until", "by"]);
    for grant in fields::items(&grants) {
        let until = [grant.get("until"), grant.get("until_ms"), grant.get("expires_at")]
            .into_iter()
            .find_map(when::moment)
            .map(|at| when::clock_time(at, now));
        table.row([
            fields::text(grant, "id").into(),
            fields::text(grant, "task").into(),
            fields::text(grant, "tool").into(),
            fields::text(grant, "uses_left").into(),
            Text::from(until.unwrap_or_else(|| "the task ends".to_owned())),
            fields::text(grant, "by").into(),
        ]);
    }
    context.out.table(table)
}
