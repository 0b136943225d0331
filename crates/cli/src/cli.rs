//! The command line: every command on one screen.

use clap::{Parser, Subcommand};

use crate::commands::{
    agent, approvals, approve, coverage, demo, deny, doctor, explain, export, freeze, grants, human, kill,
    launch, leases, mcp, policy, run, scenario, secret, system, tail, task, timeline, tools, up, verify, who,
};

/// Keeps autonomous AI agents inside their remit.
#[derive(Debug, Parser)]
#[command(
    name = "remit",
    version,
    after_help = "Exit status: 0 success, 1 refused or failed, 2 usage. `run` and `mcp wrap` return the command's own \
                  status, 125 when Remit refused."
)]
pub struct Cli {
    /// Print JSON: one object, or one per line for lists and streams
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine; asks nothing
    Up(up::Args),
    /// See the main job on stock servers and clients, in under a minute
    Demo(demo::Args),
    /// Run a command as an agent, with authority for one task only
    Run(run::Args),
    /// Enter confinement and become the command: the second half of `run`
    #[command(hide = true)]
    Launch(launch::Args),
    /// Open, show and end tasks
    #[command(subcommand)]
    Task(task::Command),
    /// End authority at once: of a task, a run, an agent, or all
    Kill(kill::Args),
    /// Register agents
    #[command(subcommand)]
    Agent(agent::Command),
    /// Register the humans who own agents and answer approvals
    #[command(subcommand)]
    Human(human::Command),
    /// Register MCP servers, or speak MCP over stdio
    #[command(subcommand)]
    Mcp(mcp::Command),
    /// Register systems reached over HTTP
    #[command(subcommand)]
    System(system::Command),
    /// Look at tools, admit and retire them
    #[command(subcommand)]
    Tools(tools::Command),
    /// The waiting room: calls that wait for a person
    Approvals(approvals::Args),
    /// Let a held call through
    Approve(approve::Args),
    /// Refuse a held call
    Deny(deny::Args),
    /// Identities that look misused, both parties named
    Findings,
    /// Approvals that cover more than one call
    Grants(grants::Args),
    /// Keep the secrets that agents work with and never hold
    #[command(subcommand)]
    Secret(secret::Command),
    /// Every credential of every task: class, state, and what may be said about its end
    Leases(leases::Args),
    /// Stop every change to a resource until a time
    Freeze(freeze::Args),
    /// Policy as code
    #[command(subcommand)]
    Policy(policy::Command),
    /// Play scenario files: our acceptance suite, your policy tests
    #[command(subcommand)]
    Scenario(scenario::Command),
    /// Follow what is decided, as it is decided
    Tail(tail::Args),
    /// Everything that happened in a task
    Timeline(timeline::Args),
    /// Who touched a resource
    Who(who::Args),
    /// Why a call was decided as it was
    Explain(explain::Args),
    /// Prove that the ledger is what was recorded
    Verify(verify::Args),
    /// Write the ledger out, for verification elsewhere
    Export(export::Args),
    /// What is wrong, and what stays open on this machine
    Doctor(doctor::Args),
    /// What passes through a decision here, and what does not
    Coverage(coverage::Args),
}

#[cfg(test)]
mod reference;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verify_cli() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
