//! Files behind a server: found, hashed, and not hashed again while they are unchanged.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use remit_core::digest::Digest;

/// Most files whose hashes are remembered.
const REMEMBERED_MAX: usize = 256;
/// Longest first line of a script that is looked at, in bytes.
const SHEBANG_BYTES_MAX: u64 = 512;

/// Hashes files and remembers them as long as the file system says nothing changed.
#[derive(Debug, Default)]
pub struct Artefacts(Mutex<HashMap<Stamp, Digest>>);

/// What changes whenever a file's content does: an unprivileged user cannot set the time of the last status change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified_ns: (i64, i64),
    changed_ns: (i64, i64),
}

impl Artefacts {
    /// Nothing remembered yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn digest(&self, path: &Path) -> io::Result<Digest> {
        let mut file = File::open(path)?;
        let stamp = stamp(&file)?;
        let known = |map: &Mutex<HashMap<Stamp, Digest>>| {
            map.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(&stamp)
                .copied()
        };
        if let Some(digest) = known(&self.0) {
            return Ok(digest);
        }
        let digest = hash(&mut file)?;
        // A file that changed while it was read gets no stamp to be remembered by.
        if self::stamp(&file)? == stamp {
            let mut remembered = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if remembered.len() >= REMEMBERED_MAX {
                remembered.clear();
            }
            remembered.insert(stamp, digest);
        }
        Ok(digest)
    }
}

fn stamp(file: &File) -> io::Result<Stamp> {
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    Ok(Stamp {
        device: meta.dev(),
        inode: meta.ino(),
        size: meta.size(),
        modified_ns: (meta.mtime(), meta.mtime_nsec()),
        changed_ns: (meta.ctime(), meta.ctime_nsec()),
    })
}

fn hash(file: &mut File) -> io::Result<Digest> {
    let mut context = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    let mut buffer = vec![0; 256 * 1024];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            break;
        }
        context.update(buffer.get(..n).unwrap_or_default());
    }
    Digest::from_slice(context.finish().as_ref()).ok_or_else(|| io::Error::other("SHA-256 has 32 bytes"))
}

pub(super) fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o111 != 0)
}

/// What runs a script, by its first line: the program named, or the one `env` looks up.
pub(super) fn interpreter(script: &Path, search_path: &OsStr) -> Option<PathBuf> {
    let mut head = Vec::new();
    File::open(script)
        .ok()?
        .take(SHEBANG_BYTES_MAX)
        .read_to_end(&mut head)
        .ok()?;
    let line = head.strip_prefix(b"#!")?.split(|b| *b == b'\n').next()?;
    let mut words = line
        .split(|b| b.is_ascii_whitespace())
        .filter(|word| !word.is_empty());
    let first = Path::new(OsStr::from_bytes(words.next()?));
    if first.file_name()? != "env" {
        return Some(first.to_owned());
    }
    let named = words.find(|word| !word.starts_with(b"-") && !word.contains(&b'='))?;
    super::resolve(OsStr::from_bytes(named), None, search_path).ok()
}
