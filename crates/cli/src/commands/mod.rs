//! One file per command, and the one place that says which runs how.

pub mod agent;
pub mod approvals;
pub mod approve;
pub mod coverage;
pub mod demo;
pub mod deny;
pub mod doctor;
pub mod explain;
pub mod export;
pub mod findings;
pub mod freeze;
pub mod grants;
pub mod human;
pub mod kill;
pub mod launch;
pub mod leases;
pub mod mcp;
mod people;
pub mod policy;
mod record;
pub mod run;
pub mod scenario;
pub mod secret;
pub mod system;
pub mod tail;
pub mod task;
pub mod timeline;
pub mod tools;
pub mod up;
mod variables;
pub mod verify;
pub mod who;

use std::future::Future;
use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::failure::{DONE, FAILED, Failure, REFUSED_BY_US};
use crate::out::Out;

/// Runs the command and gives the exit status.
#[must_use]
pub fn dispatch(cli: Cli) -> ExitCode {
    let out = Out::new(cli.json, |name| std::env::var_os(name));
    let failed = match &cli.command {
        Command::Launch(_) | Command::Run(_) | Command::Mcp(mcp::Command::Wrap(_)) => REFUSED_BY_US,
        _ => FAILED,
    };
    let result = match cli.command {
        // Before anything starts a thread: confinement belongs to threads.
        Command::Launch(args) => Ok(launch::run(&args, out)),
        command => Context::new(out).and_then(|context| perform(&context, command)),
    };
    result
        .unwrap_or_else(|failure| failure.report(out, failed))
        .into()
}

fn perform(context: &Context, command: Command) -> Result<u8, Failure> {
    match command {
        Command::Launch(args) => Ok(launch::run(&args, context.out)),
        Command::Up(args) => up::run(context, &args),
        Command::Demo(args) => demo::run(context, &args),
        Command::Run(args) => run::run(context, &args),
        Command::Task(command) => wait(task::run(context, command)),
        Command::Kill(args) => wait(kill::run(context, &args)),
        Command::Agent(command) => wait(agent::run(context, command)),
        Command::Human(command) => wait(human::run(context, command)),
        Command::Mcp(command) => mcp::run(context, command),
        Command::System(command) => wait(system::run(context, command)),
        Command::Tools(command) => wait(tools::run(context, command)),
        Command::Approvals(args) => wait(approvals::run(context, &args)),
        Command::Approve(args) => wait(approve::run(context, &args)),
        Command::Deny(args) => wait(deny::run(context, &args)),
        Command::Findings => wait(findings::run(context)),
        Command::Grants(args) => wait(grants::run(context, &args)),
        Command::Leases(args) => wait(leases::run(context, &args)),
        Command::Secret(command) => wait(secret::run(context, command)),
        Command::Freeze(args) => wait(freeze::run(context, &args)),
        Command::Policy(command) => policy::run(context, command),
        Command::Scenario(scenario::Command::Run(args)) => scenario::run(context.out, &args.files),
        Command::Tail(args) => wait(tail::run(context, &args)),
        Command::Timeline(args) => wait(timeline::run(context, &args)),
        Command::Who(args) => wait(who::run(context, &args)),
        Command::Explain(args) => wait(explain::run(context, &args)),
        Command::Verify(args) => wait(verify::run(context, &args)),
        Command::Export(args) => wait(export::run(context, &args)),
        Command::Doctor(args) => wait(doctor::run(context, &args)),
        Command::Coverage(args) => wait(coverage::run(context, &args)),
    }
}

/// Runs `future` on this thread: clients need no more.
fn wait(future: impl Future<Output = Result<(), Failure>>) -> Result<u8, Failure> {
    runtime()?.block_on(future)?;
    Ok(DONE)
}

/// A runtime without threads of its own.
fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local(format!("cannot start: {error}")))
}
