//! Starts a server through the launcher: nothing inherited but what its description lists.

use std::ffi::OsString;
use std::process::Stdio;
use std::time::Duration;

use remit_confine::{Confinement, LaunchSpec, ProcessId};
use remit_core::limits::UPSTREAM_START_MS_MAX;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};

use crate::environment::Environment;
use crate::error::{ErrorKind, Sent};
use crate::identity::resolve;
use crate::spec::StdioSpec;
use crate::wire::{EXCERPT_MAX, Failure};

/// A server that was started.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) confinement: Confinement,
    pub(crate) process: ProcessId,
}

/// Starts the server and waits until the launcher attested what it applied.
pub(crate) async fn start(spec: &StdioSpec, environment: &Environment) -> Result<Started, Failure> {
    let cannot = |e: &dyn std::fmt::Display| Failure::new(ErrorKind::CannotStart, Sent::No, e);
    let program =
        resolve(&spec.command, spec.cwd.as_deref(), &environment.search_path).map_err(|e| cannot(&e))?;
    let line: Vec<OsString> = std::iter::once(program.into_os_string())
        .chain(spec.args.iter().cloned())
        .collect();
    let launcher = &environment.launcher;
    let confine = LaunchSpec {
        new_session: true,
        ..launcher.confine.clone()
    };
    let launch = remit_confine::command(&launcher.exe, &confine, &line).map_err(|e| cannot(&e))?;
    let mut command = Command::from(launch.command);
    command
        .envs(spec.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if let Some(cwd) = &spec.cwd {
        command.current_dir(cwd);
    }
    let mut child = command.spawn().map_err(|e| cannot(&e))?;
    // It holds our copy of the pipe's other end: without it a launcher that dies reads as end of file.
    drop(command);
    let attestation = launch.attestation;
    let attested =
        tokio::task::spawn_blocking(move || attestation.wait(Duration::from_millis(UPSTREAM_START_MS_MAX)));
    let confinement = match attested.await {
        Ok(Ok(confinement)) => confinement,
        Ok(Err(e)) => {
            let words = last_words(&mut child).await;
            let words = environment.scrubber.excerpt(&words, EXCERPT_MAX);
            return Err(cannot(&format!("{e} ({words})")));
        }
        Err(e) => return Err(cannot(&e)),
    };
    let process = child
        .id()
        .ok_or_else(|| std::io::Error::other("it ended at once"))
        .and_then(ProcessId::of)
        .map_err(|e| cannot(&e))?;
    Ok(Started {
        child,
        confinement,
        process,
    })
}

/// What a launcher that gave up said.
async fn last_words(child: &mut Child) -> String {
    let mut words = Vec::new();
    // It may be stuck instead of dead.
    let _ = child.start_kill();
    if let Some(stderr) = child.stderr.take() {
        let read = stderr.take(4096).read_to_end(&mut words).await;
        drop(read);
    }
    String::from_utf8_lossy(&words).into_owned()
}
