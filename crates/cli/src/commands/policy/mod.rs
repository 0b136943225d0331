//! `remit policy`: policy as code.

mod apply;
mod check;
mod show;
pub mod test;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use remit_server::config::Config;
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
    /// Play the scenario files that say what the policy is meant to do; no server is needed
    Test(test::Args),
    /// Put policy files and templates into force; credentials for what is now refused are ended
    Apply(apply::Args),
    /// What is in force: version, layers, rules
    Show,
}

/// Runs `remit policy`.
///
/// # Errors
/// Not running, refused, or problems found.
pub fn run(context: &Context, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Check(args) => super::wait(check::run(context, &args)),
        Command::Test(args) => test::run(context, &args),
        Command::Apply(args) => super::wait(apply::run(context, &args)),
        Command::Show => super::wait(show::run(context)),
    }
}

/// The policy folder of this installation.
fn folder(context: &Context) -> Result<PathBuf, Failure> {
    let config = Config::read(&context.paths.config.join("remit.toml"), false)
        .map_err(|error| Failure::local(error.to_string()))?;
    Ok(config
        .policy
        .dir
        .unwrap_or_else(|| context.paths.config.join("policies")))
}

/// A file as it is; of a folder, its files with one of these endings in the order of their names.
fn files_of(path: &Path, endings: &[&str], files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    if !path.is_dir() {
        files.push(path.to_owned());
        return Ok(());
    }
    let unreadable = |error| Failure::local(format!("cannot read `{}`: {error}", path.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let ending = file.extension().and_then(|ending| ending.to_str());
        if ending.is_some_and(|ending| endings.contains(&ending)) {
            found.push(file);
        }
    }
    found.sort();
    files.extend(found);
    Ok(())
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
