//! Turns the denied paths as asked into the places that must really be closed: links resolved, bind mounts found.

use super::mountinfo::{self, Mount};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use std::collections::{BTreeMap, VecDeque};
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Kernel limit on symbolic links in one path.
const MAX_LINKS: usize = 40;

/// What stands at a denied place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Can be covered by an empty filesystem.
    Directory,
    /// Can be covered by `/dev/null`.
    File,
    /// Covered already, by the launcher of a run we are part of.
    Covered,
    /// Nothing yet, or a symbolic link on the way: cannot be covered, only left out of what Landlock allows.
    Bare,
}

/// The name of every empty filesystem that covers a tree, in the mount table.
pub(super) const COVER: &str = "remit-cover";

/// Denied places by absolute path without links; none lies below another.
pub(super) type Trees = BTreeMap<PathBuf, Kind>;

pub(super) fn find(denied: &[PathBuf]) -> io::Result<Trees> {
    let mounts = mountinfo::read()?;
    let mut all = Trees::new();
    for path in denied {
        let resolved = resolve(path)?;
        for link in resolved.links {
            all.insert(link, Kind::Bare);
        }
        if resolved.path.parent().is_none() {
            let path = path.display();
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("denied path `{path}` is the root directory"),
            ));
        }
        let is_cover = |m: &Mount| {
            m.point == resolved.path && (m.source == Path::new(COVER) || m.root == Path::new("/null"))
        };
        let kind = if mounts.iter().any(is_cover) {
            Kind::Covered
        } else {
            kind_of(&resolved.path)
        };
        if matches!(kind, Kind::Directory | Kind::File) {
            for alias in aliases(&resolved.path, &mounts)? {
                all.insert(alias.clone(), kind_of(&alias));
            }
        }
        all.insert(resolved.path, kind);
    }
    let nested = |path: &Path| {
        path.ancestors()
            .skip(1)
            .any(|a| all.get(a).is_some_and(|k| *k != Kind::Bare))
    };
    Ok(all
        .iter()
        .filter(|(path, _)| !nested(path))
        .map(|(p, k)| (p.clone(), *k))
        .collect())
}

fn kind_of(path: &Path) -> Kind {
    match std::fs::symlink_metadata(path) {
        Ok(meta) if meta.is_dir() => Kind::Directory,
        Ok(meta) if !meta.is_symlink() => Kind::File,
        Ok(_) | Err(_) => Kind::Bare,
    }
}

#[derive(Debug)]
struct Resolved {
    path: PathBuf,
    /// Every symbolic link that was followed: replacing one would move the tree as well as replacing the tree.
    links: Vec<PathBuf>,
}

fn resolve(path: &Path) -> io::Result<Resolved> {
    let mut todo: VecDeque<OsString> = parts(path).collect();
    let mut here = PathBuf::from("/");
    let mut links = Vec::new();
    while let Some(part) = todo.pop_front() {
        if part == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&part);
        let Ok(target) = std::fs::read_link(&next) else {
            here = next;
            continue;
        };
        if links.len() == MAX_LINKS {
            let path = path.display();
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("denied path `{path}` runs in a circle of symbolic links"),
            ));
        }
        links.push(next);
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
            todo.push_front(part);
        }
    }
    Ok(Resolved { path: here, links })
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|c| match c {
        Component::Normal(part) => Some(part.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    })
}

/// Every other path of the existing tree `path`.
fn aliases(path: &Path, mounts: &[Mount]) -> io::Result<Vec<PathBuf>> {
    let Some(home) = mount_of(path, mounts)? else {
        return Ok(Vec::new());
    };
    let Some(inner) = home.inner(path) else {
        return Ok(Vec::new());
    };
    Ok(mounts
        .iter()
        .filter(|m| m.device == home.device)
        .filter_map(|m| m.shows(&inner).map(|alias| (m, alias)))
        .filter(|(m, alias)| alias != path && alias.parent().is_some() && reaches(alias, m, &inner))
        .map(|(_, alias)| alias)
        .collect())
}

/// A later mount may lie on top of the alias; covering what is not the tree would only do harm.
fn reaches(alias: &Path, mount: &Mount, inner: &Path) -> bool {
    let id = |path: &Path| std::fs::symlink_metadata(path).ok().map(|m| (m.dev(), m.ino()));
    if mount.root.starts_with(inner) {
        return mount_id(alias).is_none_or(|id| id == mount.id);
    }
    id(alias).is_some() && mount_id(alias).is_none_or(|id| id == mount.id)
}

fn mount_of<'m>(path: &Path, mounts: &'m [Mount]) -> io::Result<Option<&'m Mount>> {
    if let Some(id) = mount_id(path)
        && let Some(mount) = mounts.iter().find(|m| m.id == id)
    {
        return Ok(Some(mount));
    }
    // Before Linux 5.8 the kernel does not say: the longest mount point wins, the last of equals.
    Ok(mounts
        .iter()
        .filter(|m| path.starts_with(&m.point))
        .max_by_key(|m| m.point.components().count()))
}

fn mount_id(path: &Path) -> Option<u64> {
    let stat = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::MNT_ID).ok()?;
    (stat.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(stat.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("remit-trees-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir.canonicalize().unwrap()
    }

    #[test]
    fn links_on_the_way_are_closed_with_the_tree() {
        let dir = scratch("links");
        std::fs::create_dir_all(dir.join("real/data/keys")).unwrap();
        std::os::unix::fs::symlink("real", dir.join("link")).unwrap();
        let trees = find(&[dir.join("link/../link/data"), dir.join("real/data/keys")]).unwrap();
        assert_eq!(trees.get(&dir.join("real/data")), Some(&Kind::Directory));
        assert_eq!(trees.get(&dir.join("link")), Some(&Kind::Bare));
        assert_eq!(trees.get(&dir.join("real/data/keys")), None, "nested in another");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_circle_of_links_is_refused() {
        let dir = scratch("circle");
        std::os::unix::fs::symlink("b", dir.join("a")).unwrap();
        std::os::unix::fs::symlink("a", dir.join("b")).unwrap();
        let error = find(&[dir.join("a/x")]).unwrap_err();
        assert!(error.to_string().contains("circle"), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_is_missing_stays_in_the_list() {
        let dir = scratch("missing");
        let trees = find(&[dir.join("not/yet")]).unwrap();
        assert_eq!(trees.get(&dir.join("not/yet")), Some(&Kind::Bare));
        std::fs::remove_dir_all(dir).unwrap();
    }
}
