//! `docs/cli.md` is written from the command line's own definition, so it cannot drift.

use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command, CommandFactory};

use super::Cli;

const HEAD: &str = "# The command line

Written from the definition in `crates/cli/src/cli.rs`; after a change there, run
`UPDATE_REFERENCE=1 cargo test -p remit-cli reference`.

- Every command takes `--json`: one JSON object, or one per line for lists and streams. Refusals are objects, too:
  `{\"error\", \"message\"}`. What standard output carries is safe to show on a terminal.
- Exit status: 0 success, 1 refused or failed, 2 usage. `run` and `mcp wrap` return the command's own status, 125 when
  Remit refused; `run --json` speaks on standard error, because standard output belongs to the command.
- `doctor` returns 1 when something is broken (to be mended here: a folder open to others, a server that does not
  answer, a clock that went back). Doors the machine leaves open are listed as `open` and are no failure.
- `verify` and `policy check` return 1 when they find something.
- Colours appear on a terminal only, and never with `NO_COLOR` set.
";

#[test]
fn reference_is_current() {
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut want = HEAD.to_owned();
    for sub in visible(&command) {
        section(&mut want, sub, "remit", 2);
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        std::fs::write(&path, &want).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == want,
        "docs/cli.md is not what the command line is: run UPDATE_REFERENCE=1 cargo test -p remit-cli reference"
    );
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set() && sub.get_name() != "help")
}

fn section(out: &mut String, command: &Command, parent: &str, level: usize) {
    let name = format!("{parent} {}", command.get_name());
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    write!(out, "\n{} `{name}`\n\n{about}.\n", "#".repeat(level)).unwrap();
    let arguments: Vec<&Arg> = command
        .get_arguments()
        .filter(|arg| !arg.is_hide_set() && !["help", "version", "json"].contains(&arg.get_id().as_str()))
        .collect();
    let runs_itself = visible(command).next().is_none() || command.is_subcommand_required_set().eq(&false);
    if runs_itself {
        let usage = command.clone().render_usage().to_string();
        let lines: Vec<&str> = usage
            .trim_start_matches("Usage: ")
            .lines()
            .map(str::trim)
            .collect();
        let usage = lines.join("\n");
        write!(out, "\n```\n{usage}\n```\n").unwrap();
    }
    if !arguments.is_empty() {
        out.push('\n');
    }
    for argument in arguments {
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        let mut line = format!("- `{argument}`: {help}");
        let choices: Vec<String> = argument
            .get_possible_values()
            .iter()
            .filter(|value| !["true", "false"].contains(&value.get_name()))
            .map(|value| format!("`{}`", value.get_name()))
            .collect();
        if !choices.is_empty() {
            write!(line, " ({})", choices.join(", ")).unwrap();
        }
        for default in argument
            .get_default_values()
            .iter()
            .filter(|value| *value != "false")
        {
            write!(line, " (default `{}`)", default.display()).unwrap();
        }
        writeln!(out, "{line}").unwrap();
    }
    for sub in visible(command) {
        section(out, sub, &name, level + 1);
    }
}
