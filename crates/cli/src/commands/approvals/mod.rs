//! `remit approvals`: the waiting room.

pub mod card;
mod watch;

use crate::context::{Acting, Context};
use crate::failure::Failure;
use crate::fields;

/// Shows what waits for a person.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Stay and show each as it comes: rings the terminal and the desktop; on a terminal it takes the answer, too
    #[arg(long)]
    pub watch: bool,
    /// Also those that are decided or expired
    #[arg(long, conflicts_with = "watch")]
    pub all: bool,
    #[command(flatten)]
    pub acting: Acting,
}

/// Lists, or watches.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    if args.watch {
        return watch::run(context, &args.acting).await;
    }
    let path = if args.all {
        "/v1/approvals?all=1"
    } else {
        "/v1/approvals"
    };
    let approvals = context.control()?.get(path).await?;
    if context.print_json(&approvals)? {
        return Ok(());
    }
    let approvals = fields::items(&approvals);
    if approvals.is_empty() {
        return context.out.line("nothing waits");
    }
    for (at, approval) in approvals.iter().enumerate() {
        if at > 0 {
            context.out.line("")?;
        }
        card::print(context, approval)?;
    }
    Ok(())
}
