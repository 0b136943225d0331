//! `remit mcp refresh`.

use super::outcome;
use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;

/// Asks a server for its tools again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which server
    pub name: String,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let answer = context
        .control()?
        .post(
            &format!("/v1/servers/{}/refresh", part(&args.name)),
            &Body::new().acting(&args.acting).done(),
        )
        .await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    outcome(context, &answer)
}
