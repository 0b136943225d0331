//! `remit secret rotate`

use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;

/// Gives a secret a new value.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which secret
    pub name: String,
    #[command(flatten)]
    pub acting: Acting,
}

/// Runs `remit secret rotate`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new()
        .with("value", super::value()?)
        .acting(&args.acting)
        .done();
    let answer = context
        .control()?
        .post(&format!("/v1/secrets/{}/rotate", part(&args.name)), &body)
        .await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    context.out.line(format!(
        "{} is at version {}; the next call uses it",
        args.name,
        fields::text(&answer, "version")
    ))
}
