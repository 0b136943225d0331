//! Who is at the other end of a Unix socket, and may it be a run?
//!
//! Control refuses every peer that descends from a run. A descendant can leave its line of ancestors (fork twice, let the
//! middle die) and its session; what it cannot shed is `no_new_privs`, which every launch sets and no process can unset.

use crate::process::{Ancestry, ProcessId, Stat};
use nix::sys::socket::{getsockopt, sockopt::PeerPidfd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::socket_peercred;
use rustix::process::{PidfdFlags, pidfd_open};
use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

/// The process that connected, as the kernel names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The process.
    pub id: ProcessId,
    /// Its effective user when it connected.
    pub uid: u32,
    /// Its effective group when it connected.
    pub gid: u32,
    /// It and its ancestors.
    pub ancestry: Ancestry,
    /// It can never gain privileges again: true for every confined run and all it ever starts.
    pub no_new_privs: bool,
}

/// Why a peer counts as belonging to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// It is this run's process or descends from it.
    Descends(ProcessId),
    /// It lives in the session this run's process opened.
    Session(ProcessId),
    /// It carries the mark of every confined process, whoever its ancestors are now.
    Marked,
}

/// Asks the kernel who connected. Call it right after `accept`.
///
/// # Errors
/// The peer is gone, lies in another process namespace, or cannot be told for sure. Treat every error as a refusal.
pub fn examine(socket: impl AsFd) -> io::Result<Peer> {
    let cred = socket_peercred(&socket)?;
    let pid = cred.pid;
    // From Linux 6.5 on the socket keeps the very process that connected. Before, a pid that was reused since `accept`
    // shows as a process that is alive but not the peer; the window is what lies between connect and this call.
    let pidfd: OwnedFd = match getsockopt(&socket.as_fd(), PeerPidfd) {
        Ok(fd) => fd,
        Err(_) => pidfd_open(pid, PidfdFlags::empty())?,
    };
    let pid = pid.as_raw_nonzero().get().unsigned_abs();
    let id = ProcessId::of(pid)?;
    let ancestry = id.ancestry()?;
    let no_new_privs = no_new_privs(pid)?;
    // Alive now, so the pid meant this process at every look above.
    if has_ended(&pidfd)? {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("peer process {pid} is gone"),
        ));
    }
    Ok(Peer {
        id,
        uid: cred.uid.as_raw(),
        gid: cred.gid.as_raw(),
        ancestry,
        no_new_privs,
    })
}

impl Peer {
    /// Why this peer may be one of `runs` (the processes [`crate::command`] started); `None` when it is not.
    #[must_use]
    pub fn suspicion(&self, runs: &[ProcessId]) -> Option<Suspicion> {
        if let Some(run) = self.ancestry.descends_from(runs) {
            return Some(Suspicion::Descends(run));
        }
        if let Some(run) = runs
            .iter()
            .find(|run| self.ancestry.sessions.contains(&run.pid) && !replaced(**run))
        {
            return Some(Suspicion::Session(*run));
        }
        // Where everything runs without new privileges (some containers), the mark says nothing.
        (self.no_new_privs && !we_are_marked()).then_some(Suspicion::Marked)
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Descends(run) => write!(f, "the caller descends from the run with process {}", run.pid),
            Self::Session(run) => write!(f, "the caller belongs to the session of the run with process {}", run.pid),
            Self::Marked => f.write_str(
                "the caller cannot gain privileges, as every confined run; call from an ordinary terminal of the machine",
            ),
        }
    }
}

/// Somebody else has the pid now, so sessions of that number are theirs.
fn replaced(run: ProcessId) -> bool {
    ProcessId::of(run.pid).is_ok_and(|now| now != run)
}

/// True when this process is itself under `no_new_privs`, which makes the mark on peers worthless.
pub(crate) fn we_are_marked() -> bool {
    rustix::thread::no_new_privs().unwrap_or(false)
}

fn no_new_privs(pid: u32) -> io::Result<bool> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    match status
        .lines()
        .find_map(|l| l.strip_prefix("NoNewPrivs:"))
        .map(str::trim)
    {
        Some("0") => Ok(false),
        Some("1") => Ok(true),
        // Linux before 4.10 does not show it.
        _ => Ok(false),
    }
}

pub(crate) fn has_ended(pidfd: &OwnedFd) -> io::Result<bool> {
    let now = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    Ok(rustix::io::retry_on_intr(|| poll(&mut fds, Some(&now)))? > 0)
}

/// A handle on exactly this process, or `None` when it has ended.
pub(crate) fn handle(id: ProcessId) -> Option<OwnedFd> {
    let fd = pidfd_open(id.raw()?, PidfdFlags::empty()).ok()?;
    // Opened first, looked at second: what carries the right start time now was meant by the handle.
    Stat::of(id.pid).is_ok_and(|s| s.id == id).then_some(fd)
}
