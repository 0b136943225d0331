//! `remit secret`: values that agents work with and never hold.

mod add;
mod import;
mod list;
mod rotate;

use std::io::{IsTerminal as _, Read as _};

use clap::Subcommand;

use crate::context::{Acting, Body, Context};
use crate::control_client::part;
use crate::failure::Failure;
use crate::fields;

/// Secrets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep a secret; its value is read from standard input
    Add(add::Args),
    /// List secrets and their versions, never values
    List,
    /// Give a secret a new value, read from standard input; the old one stays for the overlap
    Rotate(rotate::Args),
    /// Go back to an earlier version
    Rollback {
        /// Which secret
        name: String,
        /// Which version; the one before when absent
        #[arg(long, value_name = "VERSION")]
        to: Option<i64>,
        #[command(flatten)]
        acting: Acting,
    },
    /// Keep every variable of a `.env` file as a secret
    Import(import::Args),
    /// Never use a secret again, and destroy its values
    Retire {
        /// Which secret
        name: String,
        #[command(flatten)]
        acting: Acting,
    },
}

/// Runs `remit secret`.
///
/// # Errors
/// Not running, or refused.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Add(args) => add::run(context, &args).await,
        Command::List => list::run(context).await,
        Command::Rotate(args) => rotate::run(context, &args).await,
        Command::Import(args) => import::run(context, &args).await,
        Command::Rollback { name, to, acting } => {
            let body = Body::new().maybe("to", to).acting(&acting).done();
            let answer = context
                .control()?
                .post(&format!("/v1/secrets/{}/rollback", part(&name)), &body)
                .await?;
            if context.print_json(&answer)? {
                return Ok(());
            }
            let version = fields::text(&answer, "version");
            context.out.line(format!("{name} is at version {version} again"))
        }
        Command::Retire { name, acting } => {
            let body = Body::new().acting(&acting).done();
            let answer = context
                .control()?
                .post(&format!("/v1/secrets/{}/retire", part(&name)), &body)
                .await?;
            if context.print_json(&answer)? {
                return Ok(());
            }
            context.out.line(format!("retired {name}"))
        }
    }
}

/// The value on standard input, without the line end behind it.
fn value() -> Result<String, Failure> {
    /// Longest value, in bytes; the engine refuses longer ones with a sentence.
    const MAX: u64 = 65_540;
    if std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "the value is read from standard input, so that it is in no history: `printf %s \"$VALUE\" | remit secret …`, or `< FILE`"
                .to_owned(),
        ));
    }
    let mut value = String::new();
    std::io::stdin()
        .take(MAX)
        .read_to_string(&mut value)
        .map_err(|error| Failure::Usage(format!("standard input is no text: {error}")))?;
    let kept = value.trim_end_matches(['\n', '\r']).len();
    value.truncate(kept);
    Ok(value)
}
