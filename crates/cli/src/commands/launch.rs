//! `remit launch`: enters confinement and becomes the command. Started by `remit run` and for stdio servers.
//!
//! No thread may have been started, so nothing here touches the runtime.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

use remit_confine::{LaunchSpec, enter_and_exec};
use rustix::process::{Signal, getpid, kill_process};

use crate::failure::REFUSED_BY_US;
use crate::out::Out;
use crate::out::text::Text;

/// The command exists, but cannot be executed (as `env` and shells say it).
const NOT_EXECUTABLE: u8 = 126;
/// The command was not found (as `env` and shells say it).
const NOT_FOUND: u8 = 127;

/// What to enter and what to become.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where the launch specification is to be read
    #[arg(long, value_name = "FILE", required_unless_present = "when_continued")]
    pub spec: Option<PathBuf>,
    /// Instead: stop, and become the command when continued
    #[arg(long, conflicts_with = "spec")]
    pub when_continued: bool,
    /// What to become
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Becomes the command; the status is for the case that this failed.
#[must_use]
pub fn run(args: &Args, out: Out) -> u8 {
    let error = match &args.spec {
        Some(spec) => match LaunchSpec::read(spec) {
            Ok(spec) => enter_and_exec(&spec, &args.command),
            Err(error) => error,
        },
        None => stop_and_exec(&args.command),
    };
    out.note(Text::new().bad("error:").plain(format!(" {error}")));
    if !error.to_string().starts_with("cannot start") {
        return REFUSED_BY_US;
    }
    match error.kind() {
        io::ErrorKind::NotFound => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    }
}

/// Confined already, but not attested to the server yet: the supervisor does that while we stand still.
fn stop_and_exec(command: &[OsString]) -> io::Error {
    use std::os::unix::process::CommandExt;
    if let Err(error) = kill_process(getpid(), Signal::STOP) {
        return error.into();
    }
    let Some((program, args)) = command.split_first() else {
        return io::Error::new(io::ErrorKind::InvalidInput, "no command to launch");
    };
    let error = std::process::Command::new(program).args(args).exec();
    io::Error::new(
        error.kind(),
        format!("cannot start `{}`: {error}", program.display()),
    )
}
