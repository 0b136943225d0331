//! Ends a run's processes: the whole tree, also what forked away, politely first.

use crate::peer::{handle, has_ended};
use crate::process::{ProcessId, Stat};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Signal, pidfd_send_signal};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// How long killed processes may take to vanish (disk waits) before they are reported as survivors.
const AFTER_KILL: Duration = Duration::from_secs(2);
/// How often a tree that keeps growing is looked at again before it is killed as it stands.
const ROUNDS: usize = 64;

/// What became of a run's processes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Every process that was found and has ended.
    pub ended: Vec<ProcessId>,
    /// Those that are still there: another user's, or stuck in the kernel.
    pub survivors: Vec<ProcessId>,
}

/// Sends TERM to `root` and all that belongs to it, waits up to `grace`, then sends KILL to what is left. Blocks.
///
/// What belongs: descendants; members of a process group or session that one of them leads; and, while `root` lives and
/// was launched with hidden trees, everything in its mount namespace, which nothing it started can leave. It does not
/// collect (`wait`) anybody: that is the parent's part.
///
/// # Errors
/// `/proc` cannot be read, or `root` is this process or one of its ancestors.
pub fn kill_tree(root: ProcessId, grace: Duration) -> io::Result<Ended> {
    let ours: Vec<ProcessId> = ProcessId::own()?.ancestry()?.line().to_vec();
    if ours.contains(&root) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("process {} is ours, not a run's", root.pid),
        ));
    }
    let mut tree = Tree {
        found: BTreeSet::from([root]),
        mounts: foreign_mounts(root),
        ours,
    };
    tree.look()?;
    tree.signal(Signal::TERM);
    tree.signal(Signal::CONT);
    tree.wait(grace)?;
    // Stopped processes do not fork: stop until nobody new turns up, then kill them all.
    for _ in 0..ROUNDS {
        let new = tree.look()?;
        tree.signal(Signal::STOP);
        if !new {
            break;
        }
    }
    tree.signal(Signal::KILL);
    tree.wait(AFTER_KILL)?;
    let (survivors, ended) = tree.found.into_iter().partition(|p| p.is_alive());
    Ok(Ended { ended, survivors })
}

struct Tree {
    found: BTreeSet<ProcessId>,
    mounts: Option<MountNamespace>,
    ours: Vec<ProcessId>,
}

/// A mount namespace, held open: the kernel gives the number of one that is gone to the next one at once, and a run that
/// starts meanwhile would pass for ours.
struct MountNamespace {
    name: PathBuf,
    _held: File,
}

impl Tree {
    /// True when somebody new was found.
    fn look(&mut self) -> io::Result<bool> {
        let everybody = Stat::all()?;
        let before = self.found.len();
        loop {
            let known: BTreeSet<u32> = self
                .found
                .iter()
                .map(|p| p.pid)
                .filter(|pid| !self.reused(*pid, &everybody))
                .collect();
            let new: Vec<ProcessId> = everybody
                .iter()
                .filter(|s| !s.zombie && !self.found.contains(&s.id) && !self.ours.contains(&s.id))
                .filter(|s| {
                    [s.parent, s.group, s.session].iter().any(|p| known.contains(p))
                        || self.shares_mounts(s.id.pid)
                })
                .map(|s| s.id)
                .collect();
            if new.is_empty() {
                return Ok(self.found.len() > before);
            }
            self.found.extend(new);
        }
    }

    /// The pid of one we know now names somebody else.
    fn reused(&self, pid: u32, everybody: &[Stat]) -> bool {
        everybody
            .iter()
            .any(|s| s.id.pid == pid && !self.found.contains(&s.id))
    }

    fn shares_mounts(&self, pid: u32) -> bool {
        self.mounts
            .as_ref()
            .is_some_and(|held| mounts(pid).as_ref() == Some(&held.name))
    }

    fn alive(&self) -> Vec<OwnedFd> {
        self.found
            .iter()
            .filter_map(|p| handle(*p))
            .filter(|fd| !has_ended(fd).unwrap_or(true))
            .collect()
    }

    fn signal(&self, signal: Signal) {
        for process in self.alive() {
            // Gone meanwhile, or not ours to signal: the list of survivors tells.
            let _ = pidfd_send_signal(&process, signal);
        }
    }

    fn wait(&self, patience: Duration) -> io::Result<()> {
        let timer = timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC)?;
        let never = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // Zero would disarm the timer instead of ending at once.
        let patience = patience.max(Duration::from_nanos(1));
        let at = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(patience.subsec_nanos()),
        };
        timerfd_settime(
            &timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec {
                it_interval: never,
                it_value: at,
            },
        )?;
        loop {
            let alive = self.alive();
            if alive.is_empty() {
                return Ok(());
            }
            let mut fds: Vec<PollFd<'_>> = alive
                .iter()
                .chain([&timer])
                .map(|fd| PollFd::new(fd, PollFlags::IN))
                .collect();
            rustix::io::retry_on_intr(|| poll(&mut fds, None))?;
            if fds.last().is_some_and(|timer| !timer.revents().is_empty()) {
                return Ok(());
            }
        }
    }
}

/// The mount namespace of `root`, if it is not ours.
fn foreign_mounts(root: ProcessId) -> Option<MountNamespace> {
    let held = File::open(format!("/proc/{}/ns/mnt", root.pid)).ok()?;
    let name = std::fs::read_link(format!("/proc/self/fd/{}", held.as_raw_fd())).ok()?;
    let foreign = root.is_alive() && Some(&name) != mounts(ProcessId::own().ok()?.pid).as_ref();
    foreign.then_some(MountNamespace { name, _held: held })
}

fn mounts(pid: u32) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok()
}
