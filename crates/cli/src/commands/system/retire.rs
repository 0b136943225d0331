//! `remit system retire`.

use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;

/// Takes a system and its operations out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which system
    pub name: String,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let answer = context
        .control()?
        .post(
            &format!("/v1/systems/{}/retire", part(&args.name)),
            &Body::new().acting(&args.acting).done(),
        )
        .await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    context
        .out
        .line(format!("retired {} and its operations", args.name))
}
