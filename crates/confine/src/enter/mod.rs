//! The launcher's side: one thread, one way, no return. Everything here happens between `remit launch` and `exec`.

mod descriptors;
mod landlock;
mod mountinfo;
mod namespaces;
mod privilege;
mod trees;
mod way_out;

pub(crate) use self::landlock::probe as landlock_abi;
pub(crate) use self::namespaces::userns_forbidden;

use crate::launch::HANDOVER_FD;
use crate::{Confinement, LaunchSpec, Netns, harden};
use rustix::process::{getpid, setsid};
use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Applies `spec` to this process, reports what was applied, and becomes `cmd`. Returns only when that failed.
///
/// Call it from a process that has started no thread. What the system does not offer is left out and reported as a gap;
/// what it offers and then refuses half-way is an error, and the command does not start.
#[must_use]
pub fn enter_and_exec(spec: &LaunchSpec, cmd: &[OsString]) -> io::Error {
    match enter(spec) {
        Ok(()) => become_command(cmd),
        Err(error) => error,
    }
}

fn become_command(cmd: &[OsString]) -> io::Error {
    let Some((program, args)) = cmd.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no command to launch");
    };
    let error = Command::new(program).args(args).exec();
    let program = program.display();
    io::Error::new(error.kind(), format!("cannot start `{program}`: {error}"))
}

fn enter(spec: &LaunchSpec) -> io::Result<()> {
    single_threaded()?;
    // Opened anew by path, because an inherited number cannot be owned safely. Ours closes itself at exec.
    let report = spec.report.as_deref().map(descriptors::open_report).transpose()?;
    let way_out = match spec.netns {
        Netns::Listener(at) => Some((at, HANDOVER_FD)),
        Netns::Host | Netns::Empty => None,
    };
    descriptors::close_inherited(report.as_ref(), way_out.map(|(_, handover)| handover))?;
    descriptors::refuse_directories()?;
    harden::no_core_files()?;
    if spec.new_session {
        setsid()?;
    }

    let mut done = Confinement {
        pid: getpid().as_raw_nonzero().get().unsigned_abs(),
        ..Confinement::default()
    };
    let trees = trees::find(&spec.denied)?;
    let covered = namespaces::enter(spec, &trees, &mut done)?;
    if let Some((at, handover)) = way_out {
        // While we may still set an interface up.
        way_out::open(at, handover, &mut done)?;
    }
    let ruleset = landlock::ruleset(&trees, &covered, &mut done)?;
    privilege::reduce(spec.own, &mut done)?;
    landlock::restrict(ruleset, &mut done)?;

    if let Some(report) = report {
        descriptors::write_report(&report, &done)?;
    }
    Ok(())
}

/// Credentials, namespaces and Landlock domains belong to threads: a second one would stay outside.
fn single_threaded() -> io::Result<()> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads == 1 {
        return Ok(());
    }
    Err(io::Error::other(format!(
        "the launcher has {threads} threads; confinement must be entered before any is started"
    )))
}
