//! The child starts with descriptors 0, 1 and 2 and no other.

use crate::Confinement;
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::path::Path;

pub(super) fn open_report(path: &Path) -> io::Result<OwnedFd> {
    open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).map_err(|e| {
        let path = path.display();
        io::Error::new(e.kind(), format!("report `{path}`: {e}"))
    })
}

pub(super) fn write_report(report: &OwnedFd, done: &Confinement) -> io::Result<()> {
    let line = done.to_line();
    let mut rest = line.as_bytes();
    while !rest.is_empty() {
        let n = rustix::io::retry_on_intr(|| rustix::io::write(report, rest))?;
        rest = rest.get(n..).unwrap_or_default();
    }
    Ok(())
}

/// Closes everything that leaked in, also what an ancestor of ours forgot to mark close-on-exec.
pub(super) fn close_inherited(report: Option<&OwnedFd>, handover: Option<RawFd>) -> io::Result<()> {
    let keep = [report.map(AsRawFd::as_raw_fd), handover];
    let open: Vec<RawFd> = std::fs::read_dir("/proc/self/fd")?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    for fd in open {
        if fd > 2 && !keep.contains(&Some(fd)) {
            // The listing's own descriptor is among them and already closed.
            let _ = nix::unistd::close(fd);
        }
    }
    Ok(())
}

/// A directory as stdin, stdout or stderr would be a door around every mount made here.
pub(super) fn refuse_directories() -> io::Result<()> {
    let standard = [
        ("standard input", fstat(io::stdin())),
        ("standard output", fstat(io::stdout())),
        ("standard error", fstat(io::stderr())),
    ];
    for (name, stat) in standard {
        if stat.is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::Directory) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name} is a directory; redirect it from a file"),
            ));
        }
    }
    Ok(())
}
