//! The process of a run: started confined, held until it is attested, waited for, and cleaned up after.

use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use remit_confine::probe::doors;
use remit_confine::{Confinement, LaunchSpec, Launched, Netns, ProcessId, become_subreaper, kill_tree};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, wait, waitpid};
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::context::Context;
use crate::failure::Failure;
use crate::fields;

/// Ourselves; stays right when the binary is replaced while we run.
const OURSELVES: &str = "/proc/self/exe";
/// How long the launcher may take to say what it applied.
const ATTESTATION: Duration = Duration::from_secs(20);
/// How long what the command left behind may take to end by itself.
const GRACE: Duration = Duration::from_secs(2);

/// How the run is to be shut in: away from everything of ours, as we know it and as the server says it.
/// `way_out` is where a run with a network of its own finds Remit.
pub(super) fn spec(
    context: &Context,
    status: &Value,
    way_out: Option<SocketAddr>,
) -> Result<LaunchSpec, Failure> {
    let mut denied = context.paths.denied_to_runs();
    for path in fields::list(status, "denied") {
        let path = PathBuf::from(fields::as_text(Some(path)));
        if path.is_absolute() && !denied.contains(&path) {
            denied.push(path);
        }
    }
    for path in &denied {
        // A folder that is missing could only be guarded by making its parent read-only.
        if !path.exists() {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|error| Failure::local(format!("cannot make `{}`: {error}", path.display())))?;
        }
    }
    Ok(LaunchSpec {
        denied,
        netns: way_out.map_or(Netns::Host, Netns::Listener),
        // Who keeps the machine's network may use what is reached without it too.
        doors: way_out.map(|_| doors()).unwrap_or_default(),
        ..LaunchSpec::default()
    })
}

/// The command, or what is about to become it.
pub(super) struct Child {
    pid: Pid,
    id: ProcessId,
    confinement: Confinement,
    listener: Option<TcpListener>,
    over: bool,
}

impl Child {
    /// Starts the command up to the point where it is confined and has done nothing.
    pub(super) fn launch(
        spec: &LaunchSpec,
        command: &[OsString],
        variables: &[(OsString, OsString)],
    ) -> Result<Self, Failure> {
        let failed = |what: &str, error: io::Error| Failure::local(format!("cannot {what}: {error}"));
        become_subreaper().map_err(|error| failed("watch over the command", error))?;
        let mut held: Vec<OsString> = [OURSELVES, "launch", "--when-continued", "--"]
            .map(OsString::from)
            .to_vec();
        held.extend_from_slice(command);
        let mut launch = remit_confine::command(Path::new(OURSELVES), spec, &held)
            .map_err(|error| failed("confine the command", error))?;
        launch
            .command
            .envs(variables.iter().map(|(name, value)| (name, value)));
        let Launched {
            mut child,
            confinement,
            listener,
        } = launch
            .spawn(ATTESTATION)
            .map_err(|error| failed("confine the command", error))?;
        if spec.netns != Netns::Host && listener.is_none() {
            // Never attested, so it must never run.
            let _ = child.kill();
            let _ = child.wait();
            return Err(Failure::local(format!(
                "this machine gives the command no network of its own: {}; `remit run` without `--contained` leaves it the machine's",
                confinement.gaps.join("; ")
            )));
        }
        let gone = || Failure::local("the command ended before it began");
        let pid = i32::try_from(child.id())
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(gone)?;
        // It stops itself once it is confined. From then on we are the ones who wait for it.
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED)
            .map_err(|error| failed("wait for the command", error.into()))?;
        if !stopped.is_some_and(|(_, status)| status.stopped()) {
            return Err(gone());
        }
        let id = ProcessId::of(child.id()).map_err(|error| failed("tell the command's process", error))?;
        Ok(Self {
            pid,
            id,
            confinement,
            listener,
            over: false,
        })
    }

    pub(super) const fn confinement(&self) -> &Confinement {
        &self.confinement
    }

    /// Where the command's only way out is accepted; there once, for a command with a network of its own.
    pub(super) const fn take_listener(&mut self) -> Option<TcpListener> {
        self.listener.take()
    }

    pub(super) const fn id(&self) -> ProcessId {
        self.id
    }

    /// Lets it become the command.
    pub(super) fn go(&self) -> Result<(), Failure> {
        kill_process(self.pid, Signal::CONT)
            .map_err(|error| Failure::local(format!("cannot start the command: {error}")))
    }

    /// Waits for the command and passes signals on; gives its status, 128 and the signal's number if one ended it.
    pub(super) async fn finish(&mut self) -> Result<u8, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| Failure::local(format!("cannot listen for signals: {error}")))
        };
        let mut children = listen(SignalKind::child())?;
        let mut terminate = listen(SignalKind::terminate())?;
        let mut hangup = listen(SignalKind::hangup())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let mut quit = listen(SignalKind::quit())?;
        // A terminal sends these two to the command as well: once is enough.
        let from_terminal = io::stdin().is_terminal();
        loop {
            if let Some(status) = self.collect()? {
                self.over = true;
                return Ok(status);
            }
            let pass = tokio::select! {
                _ = children.recv() => None,
                _ = terminate.recv() => Some(Signal::TERM),
                _ = hangup.recv() => Some(Signal::HUP),
                _ = interrupt.recv() => (!from_terminal).then_some(Signal::INT),
                _ = quit.recv() => (!from_terminal).then_some(Signal::QUIT),
            };
            if let Some(pass) = pass {
                // It may be gone already; then the next round sees it.
                let _ = kill_process(self.pid, pass);
            }
        }
    }

    /// Collects everybody that ended; the command's status if it is among them.
    fn collect(&self) -> Result<Option<u8>, Failure> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.pid => {
                    if let Some(status) = exit_status(status) {
                        return Ok(Some(status));
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(Failure::local(format!("lost the command: {error}"))),
            }
        }
    }

    /// Ends what the command left behind: we are the subreaper, so all of it descends from us. Says how many.
    pub(super) fn end_leftovers(&self) -> Result<usize, Failure> {
        let failed = |error: io::Error| Failure::local(format!("cannot end what the command left: {error}"));
        let own = ProcessId::own().map_err(failed)?;
        let mut ended = 0;
        for entry in std::fs::read_dir("/proc").map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let ours = ProcessId::of(pid).ok().filter(|id| {
                *id != own
                    && id.is_alive()
                    && id
                        .ancestry()
                        .is_ok_and(|line| line.descends_from(&[own]).is_some())
            });
            if let Some(id) = ours {
                ended += kill_tree(id, GRACE).map_err(failed)?.ended.len();
            }
        }
        // They are our children now, so nobody else collects them.
        while let Ok(Some(_)) = wait(WaitOptions::NOHANG) {}
        Ok(ended)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.over {
            // Never attested, so it must never run; stopped as it is, it has no descendants.
            let _ = kill_process(self.pid, Signal::KILL);
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
    }
}

fn exit_status(status: WaitStatus) -> Option<u8> {
    let code = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => code,
        (None, Some(signal)) => 128 + signal,
        (None, None) => return None,
    };
    Some(u8::try_from(code).unwrap_or(u8::MAX))
}
