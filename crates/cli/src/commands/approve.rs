//! `remit approve`.

use remit_server::config::duration_ms;
use serde_json::Value;

use super::approvals::card;
use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// Lets a held call through.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("extent"))]
pub struct Args {
    /// Which: `apr_…`
    pub id: String,
    /// This one call (what happens without any of these)
    #[arg(long, group = "extent")]
    pub once: bool,
    /// And the like of it, this many times in all
    #[arg(long, value_name = "N", group = "extent", value_parser = clap::value_parser!(u64).range(1..))]
    pub times: Option<u64>,
    /// And the like of it, for this long: `30m`
    #[arg(long = "for", value_name = "TIME", value_parser = duration_ms, group = "extent")]
    pub for_ms: Option<u64>,
    /// And the like of it, until the task ends
    #[arg(long, group = "extent")]
    pub for_task: bool,
    /// A word to go with it, for the record
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// Approves.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let once = (args.times, args.for_ms, args.for_task) == (None, None, false);
    let body = Body::new()
        .maybe("times", if once { Some(1) } else { args.times })
        .maybe("for_ms", args.for_ms)
        .flag("for_task", args.for_task)
        .maybe("note", args.note.clone())
        .acting(&args.acting)
        .done();
    let answer = context
        .control()?
        .post(&format!("/v1/approvals/{}/approve", part(&args.id)), &body)
        .await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    let state = fields::text(&answer, "state");
    let line = if state == "pending" {
        Text::new().careful("one of two").plain(format!(
            " · {} · another person has to agree",
            card::effect(&answer)
        ))
    } else {
        Text::new()
            .good(if state.is_empty() {
                "approved".to_owned()
            } else {
                state
            })
            .plain(format!(" · {}", card::effect(&answer)))
    };
    context.out.line(line)?;
    if let Some(grant) = answer.get("grant").filter(|grant| !grant.is_null()) {
        let id = match grant {
            Value::Object(_) => fields::text(grant, "id"),
            other => fields::as_text(Some(other)),
        };
        context.out.line(format!(
            "  grant {id}; take it back with `remit grants revoke {id}`"
        ))?;
    }
    Ok(())
}
