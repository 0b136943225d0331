//! `remit mcp`: MCP servers, and MCP over stdio.

mod add;
mod list;
mod login;
mod logins;
mod refresh;
mod retire;
pub mod wrap;

use std::path::{Component, Path};

use clap::Subcommand;
use remit_core::digest::Digest;
use serde_json::Value;

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;
use crate::out::table::Table;
use crate::out::text::Text;

/// What to do with MCP servers.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a server: its tools are admitted or quarantined one by one
    Add(add::Args),
    /// List servers
    List,
    /// Sign in to a server that wants OAuth
    Login(login::Args),
    /// Sign out of a server
    Logout(login::LogoutArgs),
    /// Who is signed in where, and what that allows
    Logins,
    /// Ask a server for its tools again
    Refresh(refresh::Args),
    /// Take a server and its tools out
    Retire(retire::Args),
    /// Speak MCP over stdio, for clients that only start servers
    Wrap(wrap::Args),
}

/// Runs `remit mcp`.
///
/// # Errors
/// Not running, or refused.
pub fn run(context: &Context, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Add(args) => super::wait(add::run(context, &args)),
        Command::List => super::wait(list::run(context)),
        Command::Login(args) => super::wait(login::run(context, &args)),
        Command::Logout(args) => super::wait(login::logout(context, &args)),
        Command::Logins => super::wait(logins::run(context)),
        Command::Refresh(args) => super::wait(refresh::run(context, &args)),
        Command::Retire(args) => super::wait(retire::run(context, &args)),
        Command::Wrap(args) => wrap::run(context, &args),
    }
}

/// A command's words as one digest, in hexadecimal: equal for equal commands, and silent about what they say.
pub fn command_digest(command: &[String]) -> String {
    let words: Vec<Value> = command.iter().map(|word| Value::from(word.as_str())).collect();
    Digest::of(Value::from(words).to_string().as_bytes()).to_string()
}

/// The command with what it names relative to here made absolute: servers start in a folder of their own.
///
/// That is the words that say so (`.`, `./x`, `../x`), and those that name a file here (`server.py`).
pub fn from_here(command: &[String]) -> Vec<String> {
    let absolute = |word: &String| {
        let path = Path::new(word);
        let says_so = path
            .components()
            .next()
            .is_some_and(|first| matches!(first, Component::CurDir | Component::ParentDir));
        let is_file = path.is_relative() && word.contains(['.', '/']) && path.is_file();
        let found = (says_so || is_file)
            .then(|| std::path::absolute(path).ok())
            .flatten();
        found.map_or_else(|| word.clone(), |path| path.to_string_lossy().into_owned())
    };
    command.iter().map(absolute).collect()
}

/// The words that start a registered stdio server; none for others.
pub fn command_of(server: &Value) -> Vec<String> {
    fields::list(server, "command")
        .iter()
        .map(|word| fields::as_text(Some(word)))
        .collect()
}

/// What a look at a server's tools came to.
fn outcome(context: &Context, answer: &Value) -> Result<(), Failure> {
    let server = fields::text(answer, "server");
    let admitted = fields::list(answer, "admitted");
    let quarantined = fields::list(answer, "quarantined");
    context
        .out
        .line(Text::new().strong(format!("server {server}")).plain(format!(
            " · {} admitted, {} quarantined",
            admitted.len(),
            quarantined.len()
        )))?;
    if let Some(floating) = answer.get("floating").and_then(Value::as_str) {
        context
            .out
            .line(Text::new().careful("  floating  ").plain(floating))?;
    }
    if let Some(needs) = answer.get("needs_reauth").and_then(Value::as_str) {
        context.out.line(Text::new().careful("  closed  ").plain(needs))?;
    }
    let mut table = Table::bare();
    for tool in admitted {
        table.row([
            Text::new().good("  admitted"),
            fields::text(tool, "tool").into(),
            class(tool).into(),
            Text::new().dim(fields::text(tool, "because")),
        ]);
    }
    for tool in quarantined {
        let findings = fields::list(tool, "findings");
        let first = findings.first().map(|finding| fields::text(finding, "sentence"));
        table.row([
            Text::new().careful("  quarantined"),
            fields::text(tool, "tool").into(),
            class(tool).into(),
            first.unwrap_or_default().into(),
        ]);
        for finding in findings.iter().skip(1) {
            table.row([
                "".into(),
                "".into(),
                "".into(),
                fields::text(finding, "sentence").into(),
            ]);
        }
    }
    context.out.table(table)?;
    if !quarantined.is_empty() {
        context.out.line(Text::new().dim(format!(
            "look with `remit tools diff SERVER/TOOL`, then `remit tools admit SERVER/TOOL` (or `--server {server} --all`)"
        )))?;
    }
    Ok(())
}

/// `write, irreversible`
fn class(tool: &Value) -> String {
    [fields::text(tool, "class"), fields::text(tool, "marks")]
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect::<Vec<_>>()
        .join(", ")
}
