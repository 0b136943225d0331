//! Landlock: allows everything but the denied trees, block devices and the levers of root.
//!
//! Landlock only knows "allow below here". To deny a tree, every level of its ancestors is walked and the siblings are
//! allowed one by one. So a directory on the way to a denied tree is itself not allowed: it cannot be listed, and what is
//! created in it after the start stays out of reach. Trees covered by a mount need no such treatment.

use super::trees::Trees;
use crate::Confinement;
use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, PathBeneath, Ruleset, RulesetAttr, RulesetCreated,
    RulesetCreatedAttr, RulesetStatus, Scope,
};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::geteuid;
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

/// The newest ABI we know the meaning of; older kernels take what they can.
const ABI_KNOWN: ABI = ABI::V9;
/// Devices of ordinary work. Everything else below `/dev` (disks above all) stays shut.
const DEVICES: [&str; 11] = [
    "null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "mqueue", "dri",
];

/// What is left out, and what is allowed instead.
struct Shape {
    /// Never allowed.
    shut: BTreeSet<PathBuf>,
    /// Allowed with less than everything: the way through is walked as for a denied tree.
    special: BTreeSet<PathBuf>,
}

pub(super) fn ruleset(
    trees: &Trees,
    covered: &BTreeSet<PathBuf>,
    done: &mut Confinement,
) -> io::Result<Option<RulesetCreated>> {
    let shut: BTreeSet<PathBuf> = trees.keys().filter(|t| !covered.contains(*t)).cloned().collect();
    let mut special = BTreeSet::from([PathBuf::from("/dev")]);
    if geteuid().is_root() {
        special.extend(["/proc".into(), "/sys".into()]);
    }
    if let Some(parent) = shut.iter().find_map(|t| t.parent()) {
        let (parent, n) = (parent.display(), shut.len());
        done.gaps.push(format!(
            "{n} denied places are guarded by Landlock alone: `stat` and `chmod` still work on them, and directories \
             that lead to them (`{parent}`) cannot be listed or take new files"
        ));
    }
    let shape = Shape { shut, special };
    let all = AccessFs::from_all(ABI_KNOWN);
    let created = Ruleset::default()
        .handle_access(all)
        .and_then(|r| r.scope(Scope::from_all(ABI_KNOWN)))
        .and_then(Ruleset::create)
        .map_err(|e| io::Error::other(format!("landlock: {e}")))?;
    // `/` itself may be listed where nothing but special directories is left out.
    let mut rules = Rules {
        ruleset: created,
        shape,
    };
    if rules.shape.shut.is_empty() {
        rules.add(Path::new("/"), AccessFs::ReadDir.into())?;
    }
    rules.allow(Path::new("/"), all)?;
    // A parent we may pass but not list hides its entries from the walk; where the child stands is known all the same.
    if let Ok(cwd) = std::env::current_dir() {
        rules.allow(&cwd, all)?;
    }
    rules.allow_devices(all)?;
    for readable in ["/proc", "/sys"] {
        if rules.shape.special.contains(Path::new(readable)) {
            rules.allow_below(Path::new(readable), AccessFs::from_read(ABI_KNOWN))?;
        }
    }
    Ok(Some(rules.ruleset))
}

pub(super) fn restrict(ruleset: Option<RulesetCreated>, done: &mut Confinement) -> io::Result<()> {
    let Some(ruleset) = ruleset else { return Ok(()) };
    let status = ruleset
        .restrict_self()
        .map_err(|e| io::Error::other(format!("landlock: {e}")))?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if status.ruleset != RulesetStatus::NotEnforced => {
            done.landlock_abi = u8::try_from(effective_abi as i32).ok();
            done.scoped = effective_abi >= ABI::V6;
            if !done.scoped && done.own_uid.is_none() {
                done.gaps.push(
                    "signals to our own user's processes are not restricted (Landlock ABI below 6)"
                        .to_owned(),
                );
            }
        }
        _ => done
            .gaps
            .push("Landlock is not available in this kernel".to_owned()),
    }
    Ok(())
}

struct Rules {
    ruleset: RulesetCreated,
    shape: Shape,
}

impl Rules {
    /// Allows `path` and what is below it, going around what is left out.
    fn allow(&mut self, path: &Path, access: BitFlags<AccessFs>) -> io::Result<()> {
        let left_out = |p: &PathBuf| p.starts_with(path);
        let inside = |p: &PathBuf| path.starts_with(p);
        if self.shape.shut.iter().any(inside) || self.shape.special.iter().any(inside) {
            return Ok(());
        }
        if self.shape.shut.iter().any(left_out) || self.shape.special.iter().any(left_out) {
            return self.allow_entries(path, access);
        }
        self.add(path, access)
    }

    /// The same for a special directory itself.
    fn allow_below(&mut self, path: &Path, access: BitFlags<AccessFs>) -> io::Result<()> {
        if self.shape.shut.iter().any(|p| p.starts_with(path)) {
            return self.allow_entries(path, access);
        }
        self.add(path, access)
    }

    fn allow_entries(&mut self, dir: &Path, access: BitFlags<AccessFs>) -> io::Result<()> {
        // A directory we cannot list hides its entries from the child as well.
        let Ok(entries) = std::fs::read_dir(dir) else {
            return Ok(());
        };
        for entry in entries.flatten() {
            // Links are reached through their target's own place; a rule here would open whatever they point to.
            if entry.file_type().is_ok_and(|t| !t.is_symlink()) {
                self.allow(&entry.path(), access)?;
            }
        }
        Ok(())
    }

    fn allow_devices(&mut self, access: BitFlags<AccessFs>) -> io::Result<()> {
        let dev = Path::new("/dev");
        if self.shape.shut.iter().all(|p| !p.starts_with(dev)) {
            self.add(dev, AccessFs::ReadDir.into())?;
        }
        self.shape.special.remove(dev);
        for name in DEVICES {
            self.allow(&dev.join(name), access)?;
        }
        Ok(())
    }

    fn add(&mut self, path: &Path, access: BitFlags<AccessFs>) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Gone meanwhile, or not ours to enter: nothing to allow.
        let Ok(fd) = open(path, flags, Mode::empty()) else {
            return Ok(());
        };
        let is_dir = rustix::fs::fstat(&fd)
            .is_ok_and(|s| rustix::fs::FileType::from_raw_mode(s.st_mode) == rustix::fs::FileType::Directory);
        let access = if is_dir {
            access
        } else {
            access & AccessFs::from_file(ABI_KNOWN)
        };
        (&mut self.ruleset)
            .add_rule(PathBeneath::new(fd, access))
            .map(drop)
            .map_err(|e| {
                let path = path.display();
                io::Error::other(format!("landlock: `{path}`: {e}"))
            })
    }
}

/// The ABI this kernel offers. Tried for real, in a thread of its own, which takes the domain with it when it ends.
pub(crate) fn probe() -> Option<u8> {
    let tried = std::thread::spawn(|| {
        let access = AccessFs::from_all(ABI::V1);
        Ruleset::default()
            .handle_access(access)
            .and_then(Ruleset::create)
            .and_then(RulesetCreated::restrict_self)
    });
    match tried.join().ok()?.ok()?.landlock {
        LandlockStatus::Available { effective_abi, .. } => u8::try_from(effective_abi as i32).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::trees::Kind;
    use super::*;

    #[test]
    fn a_covered_tree_is_not_left_out_twice() {
        let trees = Trees::from([("/tmp/a".into(), Kind::Directory), ("/tmp/b".into(), Kind::Bare)]);
        let mut done = Confinement::default();
        let covered = BTreeSet::from([PathBuf::from("/tmp/a")]);
        ruleset(&trees, &covered, &mut done).unwrap();
        assert_eq!(done.gaps.len(), 1);
        assert!(done.gaps[0].starts_with("1 denied places"), "{:?}", done.gaps);
        let mut done = Confinement::default();
        ruleset(
            &Trees::from([("/tmp/a".into(), Kind::Directory)]),
            &covered,
            &mut done,
        )
        .unwrap();
        assert_eq!(done.gaps, Vec::<String>::new());
    }
}
