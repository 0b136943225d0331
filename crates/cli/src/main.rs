//! The binary `remit`.

mod cli;
mod commands;
mod context;
mod control_client;
mod failure;
mod fields;
mod names;
mod out;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    commands::dispatch(cli::Cli::parse())
}
