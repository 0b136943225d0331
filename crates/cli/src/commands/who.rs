//! `remit who`: who touched a resource.

use crate::commands::record;
use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;
use crate::out::when;

/// Who touched a resource.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which, with all below it: `system:path`
    pub resource: String,
    /// As of this time: `2h` ago, `09:40`, `2026-11-21 09:40`
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// Prints who did what to it.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let now = context.now();
    let at = match &args.at {
        Some(text) => format!("&at_ms={}", when::past(text, now).map_err(Failure::Usage)?.0),
        None => String::new(),
    };
    let records = context
        .control()?
        .get(&format!("/v1/who?resource={}{at}", part(&args.resource)))
        .await?;
    for one in fields::items(&records) {
        record::print(context, one)?;
        if !context.out.json && one.get("run").is_some_and(serde_json::Value::is_string) {
            context
                .out
                .line(Text::new().dim("          ").plain(chain(one)))?;
        }
    }
    if fields::items(&records).is_empty() && !context.out.json {
        context
            .out
            .line(format!("nobody, through Remit, touched {}", args.resource))?;
    }
    Ok(())
}

/// `alice → claude-code run_… · approval apr_…`
fn chain(record: &serde_json::Value) -> String {
    let mut steps: Vec<String> = fields::list(record, "chain")
        .iter()
        .map(|step| fields::as_text(Some(step)))
        .collect();
    if steps.is_empty() {
        steps = vec![fields::text(record, "initiator"), fields::text(record, "agent")];
    }
    let mut line = format!("{} · {}", steps.join(" → "), fields::text(record, "run"));
    let approval = fields::text(record, "approval");
    if !approval.is_empty() {
        line.push_str(&format!(" · approval {approval}"));
    }
    line
}
