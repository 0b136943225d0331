//! `remit policy`: policy as code.

mod apply;
mod check;
mod show;

use clap::Subcommand;
use serde_json::Value;

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::text::Text;

/// What to do with policy.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check policy files against the tools that are registered
    Check(check::Args),
    /// Put the files of the policy folder into force
    Apply(apply::Args),
    /// What is in force: version, layers, rules
    Show,
}

/// Runs `remit policy`.
///
/// # Errors
/// Not running, refused, or problems found.
pub async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Check(args) => check::run(context, &args).await,
        Command::Apply(args) => apply::run(context, &args).await,
        Command::Show => show::run(context).await,
    }
}

/// `policies/mail.cedar:4:12: error: the tool has no argument `to``
fn problem(problem: &Value) -> Text {
    let mut place = fields::text(problem, "file");
    for key in ["line", "column"] {
        let number = fields::count(problem, key);
        if number > 0 {
            place.push_str(&format!(":{number}"));
        }
    }
    let severity = fields::text(problem, "severity");
    let line = Text::new().strong(place).plain(": ");
    let line = if severity == "warning" {
        line.careful(severity)
    } else {
        line.bad(if severity.is_empty() {
            "error".to_owned()
        } else {
            severity
        })
    };
    line.plain(format!(": {}", fields::text(problem, "sentence")))
}
