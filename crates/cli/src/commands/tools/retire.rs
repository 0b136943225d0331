//! `remit tools retire`.

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;

/// Takes tools out for good.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which: `server/tool`
    #[arg(required = true, value_name = "TOOL")]
    pub tools: Vec<String>,
    #[command(flatten)]
    pub acting: Acting,
}

pub(super) async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let body = Body::new().list("tools", &args.tools).acting(&args.acting).done();
    let answer = context.control()?.post("/v1/tools/retire", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    context.out.line(format!("retired {}", args.tools.join(", ")))
}
