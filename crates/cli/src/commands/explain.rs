//! `remit explain`: why a call was decided as it was.

use crate::commands::record;
use crate::context::Context;
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;

/// Why a call was decided as it was.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which decision: `dec_…`, as records, denials and cards name it
    pub decision: String,
}

/// Explains.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let answer = context
        .control()?
        .get(&format!("/v1/explain/{}", part(&args.decision)))
        .await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    if let Some(one) = answer.get("record") {
        record::print(context, one)?;
    }
    for line in fields::list(&answer, "lines") {
        context.out.line(format!("  {}", fields::as_text(Some(line))))?;
    }
    Ok(())
}
