//! `remit tools diff`.

use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// What a tool is now, against what was admitted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which: `server/tool`
    pub tool: String,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let answer = context
        .control()?
        .get(&format!("/v1/tools/diff?tool={}", part(&args.tool)))
        .await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    let lines = fields::list(&answer, "diff");
    if lines.is_empty() {
        return context
            .out
            .line(format!("{}: as admitted", fields::text(&answer, "tool")));
    }
    let since = if answer.get("admitted").is_some_and(|admitted| !admitted.is_null()) {
        ": changed since it was admitted"
    } else {
        ": never admitted, so all of it is new"
    };
    context
        .out
        .line(Text::new().strong(fields::text(&answer, "tool")).plain(since))?;
    for line in lines {
        let line = fields::as_text(Some(line));
        context.out.line(match line.chars().next() {
            Some('+') => Text::new().good(line),
            Some('-') => Text::new().bad(line),
            _ => Text::from(line),
        })?;
    }
    Ok(())
}
