//! `remit secret add`

use crate::context::{Acting, Body, Context};
use crate::failure::Failure;

/// Keeps a secret.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    pub name: String,
    /// The system it opens; nothing else ever gets it
    #[arg(long)]
    pub system: Option<String>,
    /// The account it belongs to, where the system asks for one
    #[arg(long, value_name = "USER")]
    pub account: Option<String>,
    /// Where the value lies, instead of copying it: `kv:MANAGER/PATH#FIELD`, `command:…` (`command:["PROGRAM", "ARGUMENT"]` where one holds a blank), `file:/…`, `env:NAME`
    #[arg(long, value_name = "REFERENCE")]
    pub from: Option<String>,
    #[command(flatten)]
    pub acting: Acting,
}

/// Runs `remit secret add`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let value = match &args.from {
        Some(_) => None,
        None => Some(super::value()?),
    };
    let body = Body::new()
        .with("name", args.name.as_str())
        .maybe("system", args.system.clone())
        .maybe("account", args.account.clone())
        .maybe("from", args.from.clone())
        .maybe("value", value)
        .acting(&args.acting)
        .done();
    let answer = context.control()?.post("/v1/secrets", &body).await?;
    if context.print_json(&answer)? {
        return Ok(());
    }
    let of = args
        .system
        .as_ref()
        .map_or_else(String::new, |system| format!(" for {system}"));
    context.out.line(format!("kept {}{of}", args.name))
}
