//! Hardens the process that holds keys: nobody of the same user reads its memory, nothing of it lands on disk by accident.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};
use std::io;

/// For `remit up` and whoever else holds secrets: not dumpable (so neither ptrace nor `/proc/PID/{mem,environ,fd}` by the
/// same user), no core files, new files owner-only. Call first thing in `main`.
///
/// # Errors
/// The system refused; the process must not go on to load keys.
pub fn harden_self() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    no_core_files()?;
    umask(Mode::RWXG | Mode::RWXO);
    Ok(())
}

pub(crate) fn no_core_files() -> io::Result<()> {
    setrlimit(
        Resource::Core,
        Rlimit {
            current: Some(0),
            maximum: Some(0),
        },
    )?;
    Ok(())
}
