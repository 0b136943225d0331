//! The mount table, to find every other path under which a denied tree shows up (bind mounts).

use std::ffi::OsString;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) id: u64,
    /// `major:minor` of the filesystem, as the table names it.
    pub(super) device: String,
    /// What of the filesystem is mounted.
    pub(super) root: PathBuf,
    /// Where.
    pub(super) point: PathBuf,
    /// The name the mount was given by whoever made it, or its device.
    pub(super) source: PathBuf,
}

pub(super) fn read() -> io::Result<Vec<Mount>> {
    let table = std::fs::read("/proc/self/mountinfo")?;
    Ok(table.split(|&b| b == b'\n').filter_map(parse).collect())
}

fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&b| b == b' ');
    let id = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    let _parent = fields.next()?;
    let device = String::from_utf8(fields.next()?.to_vec()).ok()?;
    let root = unescape(fields.next()?);
    let point = unescape(fields.next()?);
    let source = unescape(fields.skip_while(|f| *f != b"-").nth(2)?);
    Some(Mount {
        id,
        device,
        root,
        point,
        source,
    })
}

/// Blanks and backslashes stand as three octal digits.
fn unescape(field: &[u8]) -> PathBuf {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let code = (byte == b'\\')
            .then(|| tail.get(..3))
            .flatten()
            .and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        if let Some(code) = code {
            out.push(code);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            out.push(byte);
            rest = tail;
        }
    }
    PathBuf::from(OsString::from_vec(out))
}

impl Mount {
    /// Where `inner`, a path inside this mount's filesystem, shows up through this mount; `None` if it does not.
    /// A mount that lies wholly inside `inner` shows it at its mount point.
    pub(super) fn shows(&self, inner: &Path) -> Option<PathBuf> {
        if let Ok(rest) = inner.strip_prefix(&self.root) {
            // Joining an empty rest would add a slash, which fails on a mounted file.
            return Some(if rest.as_os_str().is_empty() {
                self.point.clone()
            } else {
                self.point.join(rest)
            });
        }
        self.root.starts_with(inner).then(|| self.point.clone())
    }

    /// The path inside the filesystem of `path`, which lies in this mount.
    pub(super) fn inner(&self, path: &Path) -> Option<PathBuf> {
        Some(self.root.join(path.strip_prefix(&self.point).ok()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_with_its_escapes() {
        let line = br"36 35 98:0 /mnt1/a\040b /mnt\0112 rw,noatime master:1 - ext3 /dev/root rw";
        let mount = parse(line).unwrap();
        assert_eq!(mount.id, 36);
        assert_eq!(mount.device, "98:0");
        assert_eq!(mount.source, Path::new("/dev/root"));
        assert_eq!(mount.root, Path::new("/mnt1/a b"));
        assert_eq!(mount.point, Path::new("/mnt\t2"));
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn bind_mounts_show_a_tree_elsewhere() {
        let bind = |root: &str| Mount {
            id: 1,
            device: "8:1".into(),
            root: root.into(),
            point: "/mnt".into(),
            source: "none".into(),
        };
        let inner = Path::new("/home/u/data");
        assert_eq!(bind("/").shows(inner).unwrap(), Path::new("/mnt/home/u/data"));
        assert_eq!(bind("/home/u").shows(inner).unwrap(), Path::new("/mnt/data"));
        assert_eq!(bind("/home/u/data").shows(inner).unwrap(), Path::new("/mnt"));
        assert_eq!(bind("/home/u/data/keys").shows(inner).unwrap(), Path::new("/mnt"));
        assert_eq!(bind("/home/v").shows(inner), None);
        assert_eq!(bind("/home/u/data2").shows(inner), None);
        assert_eq!(
            bind("/home").inner(Path::new("/mnt/u")).unwrap(),
            Path::new("/home/u")
        );
    }
}
