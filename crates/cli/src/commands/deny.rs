//! `remit deny`.

use super::approvals::card;
use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::out::text::Text;

/// Refuses a held call.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which: `apr_…`
    pub id: String,
    /// Why: the agent gets to read it
    #[arg(long, value_name = "TEXT")]
    pub note: String,
    #[command(flatten)]
    pub acting: Acting,
}

/// Denies.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new()
        .with("note", args.note.as_str())
        .acting(&args.acting)
        .done();
    let answer = context
        .control()?
        .post(&format!("/v1/approvals/{}/deny", part(&args.id)), &body)
        .await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    context.out.line(
        Text::new()
            .bad("denied")
            .plain(format!(" · {}", card::effect(&answer))),
    )
}
