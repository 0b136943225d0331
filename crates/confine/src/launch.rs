//! The supervisor's side of a launch: builds the command, hands the spec over, reads the attestation back.

use crate::{Confinement, LaunchSpec, Netns};
use command_fds::{CommandFdExt, FdMapping};
use rustix::event::{PollFd, PollFlags, poll};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

const SPEC_FD: i32 = 3;
const REPORT_FD: i32 = 4;
/// Where the launcher hands its listener over; there only for [`Netns::Listener`].
pub(crate) const HANDOVER_FD: i32 = 5;
/// Bytes. A pipe holds 64 KiB on Linux; beyond that writing before the launch would block.
const SPEC_MAX: usize = 60 * 1024;
/// Bytes of one attestation line.
const REPORT_MAX: u64 = 64 * 1024;

/// A child ready to be started: set environment, directory and stdio on `command`, spawn it, then read `attestation`.
#[derive(Debug)]
pub struct Launch {
    /// Runs `remit launch`. Its environment is empty: add exactly what the child may have.
    /// For tokio: `tokio::process::Command::from(launch.command)`.
    pub command: Command,
    /// Where the child says what was applied.
    pub attestation: Attestation,
    /// Where the child's one listener arrives, for [`Netns::Listener`]. Take it once the attestation is there.
    pub way_out: Option<WayOut>,
}

/// A child that was started and has attested.
#[derive(Debug)]
pub struct Launched {
    /// The process: still the launcher, or the command already.
    pub child: Child,
    /// What was applied.
    pub confinement: Confinement,
    /// Its one way out, where one was asked for and its network could be taken away.
    pub listener: Option<TcpListener>,
}

/// Our end of the pair over which the launcher hands its listener.
#[derive(Debug)]
pub struct WayOut(UnixStream);

/// The read end of a pipe only the launcher can write to: it is closed the moment the launcher becomes the command.
#[derive(Debug)]
pub struct Attestation(std::io::PipeReader);

/// Builds the launch of `cmd` (program and arguments) through `remit_exe`, confined by `spec`.
///
/// `remit_exe` may be `/proc/self/exe`, which stays right when the binary is replaced while we run.
///
/// # Errors
/// An empty command, a spec too long for a pipe, no descriptors left.
pub fn command(remit_exe: &Path, spec: &LaunchSpec, cmd: &[OsString]) -> io::Result<Launch> {
    if cmd.is_empty() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "no command to launch",
        ));
    }
    let (report_read, report_write) = io::pipe()?;
    let (spec_read, mut spec_write) = io::pipe()?;
    let line = LaunchSpec {
        report: Some(format!("{FD_DIR}/{REPORT_FD}").into()),
        ..spec.clone()
    }
    .to_line()?;
    if line.len() > SPEC_MAX {
        let n = spec.denied.len();
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("launch spec: {n} denied paths are too many"),
        ));
    }
    spec_write.write_all(line.as_bytes())?;
    drop(spec_write);

    let mut command = Command::new(remit_exe);
    command
        .env_clear()
        .arg("launch")
        .arg("--spec")
        .arg(format!("{FD_DIR}/{SPEC_FD}"))
        .arg("--")
        .args(cmd);
    let mut mappings = vec![
        FdMapping {
            parent_fd: OwnedFd::from(spec_read),
            child_fd: SPEC_FD,
        },
        FdMapping {
            parent_fd: OwnedFd::from(report_write),
            child_fd: REPORT_FD,
        },
    ];
    let mut way_out = None;
    if matches!(spec.netns, Netns::Listener(_)) {
        let (ours, theirs) = UnixStream::pair()?;
        mappings.push(FdMapping {
            parent_fd: OwnedFd::from(theirs),
            child_fd: HANDOVER_FD,
        });
        way_out = Some(WayOut(ours));
    }
    command.fd_mappings(mappings).map_err(io::Error::other)?;
    Ok(Launch {
        command,
        attestation: Attestation(report_read),
        way_out,
    })
}

#[cfg(target_os = "linux")]
const FD_DIR: &str = "/proc/self/fd";
#[cfg(not(target_os = "linux"))]
const FD_DIR: &str = "/dev/fd";

impl Launch {
    /// Starts the child and waits for its attestation, at most `patience`.
    ///
    /// # Errors
    /// The launcher could not be started, did not attest, or attested a way out that did not arrive; it is killed then, so
    /// nothing runs unattested.
    pub fn spawn(mut self, patience: Duration) -> io::Result<Launched> {
        let mut child = self.command.spawn()?;
        // The command holds our copy of the write end: without it, a launcher that dies reads as end of file.
        drop(self.command);
        let attested = self.attestation.wait(patience).and_then(|confinement| {
            let listener = self.way_out.map(WayOut::take).transpose()?.flatten();
            if confinement.way_out == listener.is_some() {
                return Ok((confinement, listener));
            }
            Err(io::Error::other(
                "the launcher's attestation and its way out differ",
            ))
        });
        match attested {
            Ok((confinement, listener)) => Ok(Launched {
                child,
                confinement,
                listener,
            }),
            Err(error) => {
                // Killing a child that is already gone is what we want too.
                let _ = child.kill();
                let _ = child.wait();
                Err(error)
            }
        }
    }
}

impl WayOut {
    /// The listener, which belongs to the child's network; `None` when the launcher handed none over. Does not block.
    ///
    /// # Errors
    /// What the system says about the pair.
    pub fn take(self) -> io::Result<Option<TcpListener>> {
        use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0];
        let mut parts = [io::IoSliceMut::new(&mut byte)];
        #[cfg(target_os = "linux")]
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = RecvFlags::DONTWAIT;
        match recvmsg(&self.0, &mut parts, &mut ancillary, flags) {
            Ok(_) => {}
            Err(rustix::io::Errno::AGAIN) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        let handed = ancillary.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        Ok(handed.map(TcpListener::from))
    }
}

impl Attestation {
    /// Waits for the attestation; blocks, so use `spawn_blocking` inside a runtime. Drop the [`Command`] after spawning
    /// it, or a launcher that dies early costs the whole `patience`.
    ///
    /// # Errors
    /// `TimedOut` after `patience`; `UnexpectedEof` when the launcher gave up (its message is on the child's stderr).
    pub fn wait(self, patience: Duration) -> io::Result<Confinement> {
        let timeout = rustix::time::Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        let mut fds = [PollFd::new(&self.0, PollFlags::IN)];
        if rustix::io::retry_on_intr(|| poll(&mut fds, Some(&timeout)))? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the launcher did not say in time what it applied",
            ));
        }
        // The line is written at once, below the size a pipe writes atomically or by a process that only writes it.
        let mut line = Vec::new();
        let mut reader = io::BufReader::new(self.0.take(REPORT_MAX));
        io::BufRead::read_until(&mut reader, b'\n', &mut line)?;
        if line.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the launcher gave up before the command started",
            ));
        }
        serde_json::from_slice(&line)
            .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, format!("attestation: {e}")))
    }
}

impl AsFd for Attestation {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
