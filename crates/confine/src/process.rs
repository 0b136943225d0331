//! Which process: a pid together with its start time, because pids come back, and its line of ancestors.

use rustix::process::{Pid, getpid};
use std::io;

/// Longest line of ancestors that is followed.
const MAX_ANCESTORS: usize = 256;
/// How often a walk is begun anew when a process on the way was replaced under it.
const WALKS: usize = 8;

/// One process for good: a pid is reused, the pair is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of `/proc/PID/stat`).
    pub start_time: u64,
}

/// What `/proc/PID/stat` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) id: ProcessId,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    /// Dead already, waiting to be collected.
    pub(crate) zombie: bool,
}

/// A process and its ancestors, nearest first, up to the first process of the machine or container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ancestry {
    line: Vec<ProcessId>,
    pub(crate) sessions: Vec<u32>,
}

impl ProcessId {
    /// The process that has `pid` now.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Stat::of(pid)?.id)
    }

    /// This process.
    ///
    /// # Errors
    /// `/proc` is not mounted.
    pub fn own() -> io::Result<Self> {
        Self::of(getpid().as_raw_nonzero().get().unsigned_abs())
    }

    /// True while exactly this process runs; a dead one that nobody has collected yet does not.
    #[must_use]
    pub fn is_alive(self) -> bool {
        Stat::of(self.pid).is_ok_and(|s| s.id == self && !s.zombie)
    }

    /// This process and its ancestors.
    ///
    /// # Errors
    /// `NotFound` when this process is gone (or its pid names another one); `Other` when the line kept changing.
    pub fn ancestry(self) -> io::Result<Ancestry> {
        for _ in 0..WALKS {
            if let Some(ancestry) = self.walk()? {
                return Ok(ancestry);
            }
        }
        Err(io::Error::other(format!(
            "the ancestors of process {} kept changing",
            self.pid
        )))
    }

    /// `None` when somebody on the way was replaced between two looks.
    fn walk(self) -> io::Result<Option<Ancestry>> {
        let mut stat = Stat::of(self.pid)?;
        if stat.id != self {
            return Err(gone(self.pid));
        }
        let mut line = vec![stat.id];
        let mut sessions = vec![stat.session];
        while stat.parent != 0 && line.len() < MAX_ANCESTORS {
            let Ok(parent) = Stat::of(stat.parent) else {
                return Ok(None);
            };
            // The child still names this parent, and it is older: it was the parent all along, not a newcomer's pid.
            let again = Stat::of(stat.id.pid);
            if !again.is_ok_and(|s| s.id == stat.id && s.parent == stat.parent)
                || parent.id.start_time > stat.id.start_time
            {
                return Ok(None);
            }
            line.push(parent.id);
            sessions.push(parent.session);
            stat = parent;
        }
        Ok(Some(Ancestry { line, sessions }))
    }

    pub(crate) fn raw(self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.pid).ok()?)
    }
}

impl Ancestry {
    /// The process itself, its parent, and so on.
    #[must_use]
    pub fn line(&self) -> &[ProcessId] {
        &self.line
    }

    /// The first of `runs` this process is, or descends from.
    #[must_use]
    pub fn descends_from(&self, runs: &[ProcessId]) -> Option<ProcessId> {
        self.line.iter().find(|p| runs.contains(p)).copied()
    }
}

impl Stat {
    pub(crate) fn of(pid: u32) -> io::Result<Self> {
        let text = std::fs::read(format!("/proc/{pid}/stat")).map_err(|e| {
            // Reading the file of a process that ends under our hands says ESRCH.
            if e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) {
                gone(pid)
            } else {
                e
            }
        })?;
        Self::parse(&text).ok_or_else(|| io::Error::other(format!("`/proc/{pid}/stat` is not understood")))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        // The command's name stands in parentheses and may hold anything, also parentheses and blanks.
        let open = text.iter().position(|&b| b == b'(')?;
        let close = text.iter().rposition(|&b| b == b')')?;
        let number = |field: &[u8]| std::str::from_utf8(field).ok()?.trim().parse::<u64>().ok();
        let id = |field: &[u8]| number(field).and_then(|n| u32::try_from(n).ok());
        let pid = id(text.get(..open)?)?;
        let rest: Vec<&[u8]> = text.get(close + 2..)?.split(|&b| b == b' ').collect();
        Some(Self {
            id: ProcessId {
                pid,
                start_time: number(rest.get(19)?)?,
            },
            parent: id(rest.get(1)?)?,
            group: id(rest.get(2)?)?,
            session: id(rest.get(3)?)?,
            zombie: matches!(rest.first()?, [b'Z' | b'X', ..]),
        })
    }

    /// Everybody, as one look shows them.
    pub(crate) fn all() -> io::Result<Vec<Self>> {
        Ok(std::fs::read_dir("/proc")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(|pid| Self::of(pid).ok())
            .collect())
    }
}

fn gone(pid: u32) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("process {pid} is gone"))
}

/// Makes orphaned descendants of this process its own children instead of the system's, so that a child which forks twice
/// to get away keeps us as an ancestor. Call it before the first launch; the caller then collects them (`waitpid`).
///
/// # Errors
/// The kernel does not have it (before Linux 3.4).
pub fn become_subreaper() -> io::Result<()> {
    rustix::process::set_child_subreaper(Some(getpid()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_does_not_shift_the_fields() {
        let text = b"42 (a) R 1 1 (b ) Z) S 7 8 9 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2 3\n";
        let stat = Stat::parse(text).unwrap();
        assert_eq!(
            stat.id,
            ProcessId {
                pid: 42,
                start_time: 987_654
            }
        );
        assert_eq!(
            (stat.parent, stat.group, stat.session, stat.zombie),
            (7, 8, 9, false)
        );
        assert!(Stat::parse(b"42 (x) Z 7 8 9").is_none());
    }

    #[test]
    fn we_descend_from_our_parent_and_not_from_another_of_its_pid() {
        let own = ProcessId::own().unwrap();
        let ancestry = own.ancestry().unwrap();
        let parent = ancestry.line()[1];
        assert_eq!(ancestry.descends_from(&[parent]), Some(parent));
        assert_eq!(ancestry.descends_from(&[own]), Some(own));
        let reused = ProcessId {
            start_time: parent.start_time + 1,
            ..parent
        };
        assert_eq!(ancestry.descends_from(&[reused]), None);
        assert!(!ProcessId { start_time: 1, ..own }.is_alive());
        assert_eq!(
            ProcessId { start_time: 1, ..own }.ancestry().unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
