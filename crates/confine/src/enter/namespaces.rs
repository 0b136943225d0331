//! Namespaces: covers the denied trees with empty mounts, and takes the network away.
//!
//! Landlock has no right for `stat`, `chmod`, `utime`, `setxattr`, nor (before ABI 9) for `connect` to a socket file. A
//! mount namespace of the child's own, in which the trees do not exist, closes all of these. What the child may not do
//! afterwards is lift the covers: it has no capability over this namespace, a user namespace it makes itself gets the
//! mounts locked together, and Landlock forbids every change of mounts.

use super::trees::{self, COVER, Kind, Trees};
use crate::{Confinement, Hide, LaunchSpec, Netns};
use nix::sched::{CloneFlags, unshare};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
};
use rustix::process::{getegid, geteuid};
use rustix::thread::{CapabilitySet, capabilities};
use std::collections::BTreeSet;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Switches and limits by which an administrator forbids unprivileged user namespaces: file, and the value that forbids.
const USERNS_SWITCHES: [(&str, &str); 3] = [
    ("/proc/sys/user/max_user_namespaces", "0"),
    ("/proc/sys/kernel/unprivileged_userns_clone", "0"),
    // With this on, a user namespace made without a profile gives no capability in it: a way of no return.
    ("/proc/sys/kernel/apparmor_restrict_unprivileged_userns", "1"),
];

/// Enters what is asked and allowed; returns the trees that are covered now.
pub(super) fn enter(
    spec: &LaunchSpec,
    trees: &Trees,
    done: &mut Confinement,
) -> io::Result<BTreeSet<PathBuf>> {
    let mut covered: BTreeSet<PathBuf> = of_kind(trees, &[Kind::Covered]);
    let doors = trees::find(&spec.doors)?;
    let hide = spec.hide == Hide::WhereAllowed
        && trees
            .values()
            .chain(doors.values())
            .any(|kind| matches!(kind, Kind::Directory | Kind::File));
    let mut flags = CloneFlags::empty();
    flags.set(CloneFlags::CLONE_NEWNS, hide);
    flags.set(CloneFlags::CLONE_NEWNET, spec.netns != Netns::Host);
    if !flags.is_empty() {
        match open_namespaces(flags)? {
            Ok(userns) => {
                done.userns = userns;
                done.netns = spec.netns != Netns::Host;
                if hide {
                    covered.extend(hide_all(trees, &doors, done)?);
                }
            }
            Err(Refused(why)) => {
                if hide {
                    done.gaps.push(format!("denied trees are not hidden: {why}"));
                }
                if spec.netns != Netns::Host {
                    done.gaps.push(format!("the network was not taken away: {why}"));
                }
            }
        }
    }
    let to_cover = of_kind(trees, &[Kind::Covered, Kind::Directory, Kind::File]);
    done.hidden = !to_cover.is_empty() && to_cover.is_subset(&covered);
    Ok(covered)
}

fn of_kind(trees: &Trees, kinds: &[Kind]) -> BTreeSet<PathBuf> {
    trees
        .iter()
        .filter(|(_, kind)| kinds.contains(kind))
        .map(|(path, _)| path.clone())
        .collect()
}

fn hide_all(trees: &Trees, doors: &Trees, done: &mut Confinement) -> io::Result<BTreeSet<PathBuf>> {
    let cwd = std::env::current_dir()?;
    refuse_inside(&cwd, trees)?;
    if let Err(e) = mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC) {
        // A run inside a run: Landlock lets nobody change mounts, and what the outer launcher covered is covered.
        done.gaps
            .push(format!("denied trees are not hidden: mounts are refused ({e})"));
        return Ok(BTreeSet::new());
    }
    pin_ancestors(trees)?;
    let mut covered = BTreeSet::new();
    for (path, kind) in trees {
        if cover(path, *kind)? {
            covered.insert(path.clone());
        }
    }
    for (path, kind) in doors {
        if !trees.keys().any(|tree| path.starts_with(tree)) {
            cover(path, *kind)?;
        }
    }
    // The old working directory lies below the covers: `..` from there would lead around them.
    std::env::set_current_dir(&cwd)?;
    Ok(covered)
}

/// Why the system does not let us; nothing has changed then.
struct Refused(String);

/// True when it took a user namespace. The outer error is the half-way one.
fn open_namespaces(flags: CloneFlags) -> io::Result<Result<bool, Refused>> {
    let admin = capabilities(None).is_ok_and(|c| c.effective.contains(CapabilitySet::SYS_ADMIN));
    if admin && unshare(flags).is_ok() {
        return Ok(Ok(false));
    }
    if let Some(why) = userns_forbidden() {
        return Ok(Err(Refused(why)));
    }
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    if let Err(e) = unshare(flags | CloneFlags::CLONE_NEWUSER) {
        return Ok(Err(Refused(format!(
            "user namespaces are refused ({})",
            e.desc()
        ))));
    }
    // The same ids inside as outside: the child is not root anywhere.
    std::fs::write("/proc/self/setgroups", "deny")
        .and_then(|()| std::fs::write("/proc/self/uid_map", format!("{uid} {uid} 1")))
        .and_then(|()| std::fs::write("/proc/self/gid_map", format!("{gid} {gid} 1")))
        .map_err(|e| io::Error::new(e.kind(), format!("the user namespace cannot be mapped: {e}")))?;
    Ok(Ok(true))
}

/// The sentence why unprivileged user namespaces are switched off, if they are.
pub(crate) fn userns_forbidden() -> Option<String> {
    if !Path::new("/proc/self/ns/user").exists() {
        return Some("the kernel has no user namespaces".to_owned());
    }
    USERNS_SWITCHES.iter().find_map(|(file, forbids)| {
        let value = std::fs::read_to_string(file).ok()?;
        let excepted = file.contains("apparmor") && has_profile();
        (value.trim() == *forbids && !excepted)
            .then(|| format!("user namespaces are switched off (`{file}` is {forbids})"))
    })
}

/// True when AppArmor runs us under a profile, which may well grant user namespaces.
fn has_profile() -> bool {
    std::fs::read_to_string("/proc/self/attr/apparmor/current")
        .is_ok_and(|profile| !profile.starts_with("unconfined"))
}

fn refuse_inside(cwd: &Path, trees: &Trees) -> io::Result<()> {
    if !trees.keys().any(|tree| cwd.starts_with(tree)) {
        return Ok(());
    }
    let cwd = cwd.display();
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("the working directory `{cwd}` lies in a denied tree; start from another one"),
    ))
}

/// False when there is nothing that could be covered.
fn cover(path: &Path, kind: Kind) -> io::Result<bool> {
    let identity = || std::fs::symlink_metadata(path).map(|m| (m.dev(), m.ino()));
    let before = identity();
    let result = match kind {
        Kind::Directory => {
            let flags = MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
            mount(COVER, path, "tmpfs", flags, c"mode=000,size=4k,nr_inodes=2")
        }
        Kind::File => mount_bind("/dev/null", path),
        Kind::Covered | Kind::Bare => return Ok(false),
    };
    match (result, before, identity()) {
        (Ok(()), Ok(before), Ok(after)) if before != after => Ok(true),
        (result, ..) => {
            let why = result.err().map_or("no effect".to_owned(), |e| e.to_string());
            let path = path.display();
            Err(io::Error::other(format!(
                "`{path}` cannot be covered: {why}; hide never may help"
            )))
        }
    }
}

/// Renaming a parent of a cover would move our tree on disk, and a planted one could take its place at our next start.
/// A mount point cannot be renamed, so every parent the child could rename becomes one.
fn pin_ancestors(trees: &Trees) -> io::Result<()> {
    let ancestors: BTreeSet<&Path> = trees
        .iter()
        .filter(|(_, kind)| matches!(kind, Kind::Directory | Kind::File))
        .flat_map(|(path, _)| path.ancestors().skip(1))
        .filter(|a| {
            a.parent()
                .is_some_and(|above| accessat(CWD, above, Access::WRITE_OK, AtFlags::EACCESS).is_ok())
        })
        .collect();
    for ancestor in ancestors {
        mount_bind_recursive(ancestor, ancestor).map_err(|e| {
            let path = ancestor.display();
            io::Error::new(e.kind(), format!("`{path}` cannot be pinned: {e}"))
        })?;
    }
    Ok(())
}
