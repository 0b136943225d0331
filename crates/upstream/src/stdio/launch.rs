//! Starts a server through the launcher: nothing inherited but what its description lists.

use std::ffi::OsString;
use std::net::TcpListener;
use std::process::Stdio;
use std::time::Duration;

use remit_confine::{Confinement, LaunchSpec, Netns, ProcessId, WAY_OUT, WayOut};
use remit_core::limits::UPSTREAM_START_MS_MAX;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::sync::mpsc::UnboundedSender;

use crate::environment::Environment;
use crate::error::{ErrorKind, Sent};
use crate::identity::resolve;
use crate::spec::StdioSpec;
use crate::wire::{EXCERPT_MAX, Failure};

/// How long the last words of a launcher are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A server that was started.
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) confinement: Confinement,
    pub(crate) process: ProcessId,
}

/// Starts the server and waits until the launcher attested what it applied.
pub(crate) async fn start(
    spec: &StdioSpec,
    environment: &Environment,
    way_out: Option<&UnboundedSender<TcpListener>>,
) -> Result<Started, Failure> {
    let cannot = |e: &dyn std::fmt::Display| Failure::new(ErrorKind::CannotStart, Sent::No, e);
    let program =
        resolve(&spec.command, spec.cwd.as_deref(), &environment.search_path).map_err(|e| cannot(&e))?;
    let line: Vec<OsString> = std::iter::once(program.into_os_string())
        .chain(spec.args.iter().cloned())
        .collect();
    let launcher = &environment.launcher;
    let confine = LaunchSpec {
        new_session: true,
        netns: if way_out.is_some() {
            Netns::Listener(WAY_OUT)
        } else {
            launcher.confine.netns
        },
        doors: if way_out.is_some() {
            launcher.confine.doors.clone()
        } else {
            // Who keeps the machine's network may use what is reached without it too.
            Vec::new()
        },
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
    let child = command.spawn().map_err(|e| cannot(&e))?;
    // It holds our copy of the pipe's other end: without it a launcher that dies reads as end of file.
    drop(command);
    let process = child
        .id()
        .ok_or_else(|| std::io::Error::other("it ended at once"))
        .and_then(ProcessId::of)
        .map_err(|e| cannot(&e))?;
    let mut unwatched = Unwatched(Some((process, child)));
    let (attestation, handed) = (launch.attestation, launch.way_out);
    let attested =
        tokio::task::spawn_blocking(move || attestation.wait(Duration::from_millis(UPSTREAM_START_MS_MAX)));
    let confinement = match attested.await {
        Ok(Ok(confinement)) => confinement,
        Ok(Err(e)) => {
            let words = last_words(&mut unwatched).await;
            let words = environment.scrubber.excerpt(&words, EXCERPT_MAX);
            return Err(cannot(&format!("{e} ({words})")));
        }
        Err(e) => return Err(cannot(&e)),
    };
    if let Some(way_out) = way_out {
        hand_on(handed, way_out, &confinement).map_err(|e| cannot(&e))?;
    }
    let Some((process, child)) = unwatched.0.take() else {
        return Err(cannot(&"it is watched already"));
    };
    Ok(Started {
        child,
        confinement,
        process,
    })
}

/// Passes the listener of a server on; without one the server has a network nobody watches, and must not run.
fn hand_on(
    handed: Option<WayOut>,
    to: &UnboundedSender<TcpListener>,
    confinement: &Confinement,
) -> Result<(), String> {
    let listener = handed.map(WayOut::take).transpose().map_err(|e| e.to_string())?;
    let listener = listener.flatten().filter(|_| confinement.way_out);
    let listener = listener.ok_or_else(|| {
        format!(
            "its network cannot be taken away here ({}): a person can add it `--uncontained`",
            confinement.gaps.join("; ")
        )
    })?;
    to.send(listener)
        .map_err(|_| "nobody takes its way out".to_owned())
}

/// A process nobody watches over yet: when the start is given up, it and what it may have started already end.
struct Unwatched(Option<(ProcessId, Child)>);

impl Drop for Unwatched {
    fn drop(&mut self) {
        if let Some((process, child)) = self.0.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn_blocking(move || {
                if let Err(error) = remit_confine::kill_tree(process, Duration::ZERO) {
                    tracing::debug!(%error, "a server whose start was given up");
                }
                // Only now, for dropping it kills it, and its children would be nobody's.
                drop(child);
            });
        }
    }
}

/// What a launcher that gave up said.
async fn last_words(unwatched: &mut Unwatched) -> String {
    let mut words = Vec::new();
    let stderr = unwatched.0.as_mut().and_then(|(_, child)| child.stderr.take());
    if let Some(stderr) = stderr {
        // It may be stuck instead of dead.
        let mut stderr = stderr.take(4096);
        drop(tokio::time::timeout(LAST_WORDS, stderr.read_to_end(&mut words)).await);
    }
    String::from_utf8_lossy(&words).into_owned()
}
