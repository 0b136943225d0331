//! Packs, read for their commits: does the new tip of a ref follow the old one? And unpacked, for whoever looks for
//! something in their content.
//!
//! A commit's id is the hash of its content, parents included, so a chain of commits found here from the new id to the old
//! one proves a fast-forward. No chain proves nothing; the push then counts as a rewrite.

use std::collections::{HashMap, HashSet};
use std::io::{self, BufRead, Read};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use flate2::bufread::ZlibDecoder;

use super::git::oid;

type Id = [u8; 20];

/// Most objects read.
const OBJECTS_MAX: u32 = 2_000_000;
/// Most bytes unpacked in all.
const UNPACKED_BYTES_MAX: u64 = 2 * 1024 * 1024 * 1024;
/// Most bytes of one commit.
const COMMIT_BYTES_MAX: u64 = 1024 * 1024;
/// Most bytes of all commits kept for deltas.
const COMMITS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Commits of a pack with their parents.
#[derive(Debug, Default)]
pub(super) struct Ancestry {
    parents: HashMap<Id, Vec<Id>>,
}

impl Ancestry {
    /// True when a chain of commits in the pack leads from `new` to `old`.
    pub(super) fn follows(&self, new: Id, old: Id) -> bool {
        let mut open = vec![new];
        let mut seen = HashSet::new();
        while let Some(id) = open.pop() {
            if id == old {
                return true;
            }
            if seen.insert(id) {
                open.extend(self.parents.get(&id).into_iter().flatten().copied());
            }
        }
        false
    }
}

/// Reads the commits of a pack. Where it cannot be read on, what was read so far counts.
pub(super) fn read(reader: &mut impl BufRead) -> Ancestry {
    unpack(reader, &mut |_| ())
}

/// Reads a pack and shows the content of its objects, piece by piece: what deltas add, not what they take from elsewhere.
/// Between two objects comes an empty piece.
pub(super) fn contents(reader: &mut impl BufRead, show: &mut dyn FnMut(&[u8])) {
    unpack(reader, show);
}

fn unpack(reader: &mut impl BufRead, show: &mut dyn FnMut(&[u8])) -> Ancestry {
    let mut pack = Pack {
        show,
        at: 0,
        unpacked: 0,
        kept: 0,
        by_offset: HashMap::new(),
        by_id: HashMap::new(),
        ancestry: Ancestry::default(),
    };
    // A pack that ends early or holds more than is read proves less, never more.
    let _ = pack.read(&mut Counted {
        inner: reader,
        count: 0,
    });
    pack.ancestry
}

/// A writer that shows what is written.
struct Shown<'s>(&'s mut dyn FnMut(&[u8]));

impl io::Write for Shown<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Pack<'s> {
    show: &'s mut dyn FnMut(&[u8]),
    at: u64,
    unpacked: u64,
    kept: usize,
    by_offset: HashMap<u64, Id>,
    by_id: HashMap<Id, Vec<u8>>,
    ancestry: Ancestry,
}

impl Pack<'_> {
    fn read<R: BufRead>(&mut self, reader: &mut Counted<'_, R>) -> io::Result<()> {
        let mut head = [0; 12];
        reader.read_exact(&mut head)?;
        let [b'P', b'A', b'C', b'K', 0, 0, 0, 2 | 3, a, b, c, d] = head else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        for _ in 0..u32::from_be_bytes([a, b, c, d]).min(OBJECTS_MAX) {
            self.at = reader.count;
            self.object(reader)?;
            (self.show)(&[]);
        }
        Ok(())
    }

    fn object<R: BufRead>(&mut self, reader: &mut Counted<'_, R>) -> io::Result<()> {
        let mut byte = one(reader)?;
        let kind = (byte >> 4) & 7;
        while byte & 0x80 != 0 {
            byte = one(reader)?;
        }
        let base = match kind {
            6 => {
                let mut byte = one(reader)?;
                let mut offset = u64::from(byte & 0x7f);
                while byte & 0x80 != 0 {
                    byte = one(reader)?;
                    offset = offset
                        .checked_add(1)
                        .and_then(|o| o.checked_mul(128))
                        .ok_or(io::ErrorKind::InvalidData)?
                        | u64::from(byte & 0x7f);
                }
                let at = self.at.checked_sub(offset).ok_or(io::ErrorKind::InvalidData)?;
                self.by_offset.get(&at).copied()
            }
            7 => {
                let mut id = [0; 20];
                reader.read_exact(&mut id)?;
                self.by_id.contains_key(&id).then_some(id)
            }
            _ => None,
        };
        let wanted = kind == 1 || base.is_some();
        let content = self.inflate(reader, wanted)?;
        let commit = match (kind, base.and_then(|id| self.by_id.get(&id))) {
            (1, _) => content,
            (6 | 7, Some(base)) => content.and_then(|delta| apply(base, &delta)),
            _ => None,
        };
        if let Some(commit) = commit {
            self.keep(commit);
        }
        Ok(())
    }

    fn inflate<R: BufRead>(
        &mut self,
        reader: &mut Counted<'_, R>,
        wanted: bool,
    ) -> io::Result<Option<Vec<u8>>> {
        let mut decoder = ZlibDecoder::new(reader);
        let mut content = Vec::new();
        if wanted {
            (&mut decoder).take(COMMIT_BYTES_MAX).read_to_end(&mut content)?;
            (self.show)(&content);
        }
        let left = UNPACKED_BYTES_MAX.saturating_sub(self.unpacked);
        let skipped = io::copy(&mut (&mut decoder).take(left), &mut Shown(&mut *self.show))?;
        if skipped == left {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.unpacked += skipped + content.len() as u64;
        Ok((wanted && skipped == 0).then_some(content))
    }

    fn keep(&mut self, commit: Vec<u8>) {
        let mut whole = format!("commit {}\0", commit.len()).into_bytes();
        whole.extend_from_slice(&commit);
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &whole);
        let Ok(id) = <Id>::try_from(hash.as_ref()) else {
            return;
        };
        self.by_offset.insert(self.at, id);
        self.ancestry.parents.insert(id, parents(&commit));
        self.kept += commit.len();
        if self.kept <= COMMITS_BYTES_MAX {
            self.by_id.insert(id, commit);
        }
    }
}

/// The parents in a commit's header: the whole lines right behind its `tree`, read as strictly as git reads them. What git
/// takes for no parent must not be one here.
fn parents(commit: &[u8]) -> Vec<Id> {
    let id = |line: &[u8], front: &[u8]| oid(std::str::from_utf8(line.strip_prefix(front)?).ok()?);
    let mut lines = commit
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| line.strip_suffix(b"\n"));
    if lines
        .next()
        .flatten()
        .and_then(|line| id(line, b"tree "))
        .is_none()
    {
        return Vec::new();
    }
    let parents = lines.map_while(|line| id(line?, b"parent ")).collect();
    // A commit ends with more than its parents; git reads one that does not as having none.
    let ends = commit.windows(8).any(|eight| eight == b"\nauthor ");
    if ends { parents } else { Vec::new() }
}

/// Applies a delta (gitformat-pack) to its base.
fn apply(base: &[u8], delta: &[u8]) -> Option<Vec<u8>> {
    let mut rest = delta;
    let size = |rest: &mut &[u8]| -> Option<u64> {
        let (mut value, mut shift) = (0_u64, 0);
        loop {
            let (&byte, after) = rest.split_first()?;
            *rest = after;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    };
    if size(&mut rest)? != base.len() as u64 {
        return None;
    }
    let wanted = size(&mut rest)?;
    let mut out = Vec::new();
    while let Some((&op, after)) = rest.split_first() {
        rest = after;
        if op & 0x80 == 0 {
            let (literal, after) = rest.split_at_checked(usize::from(op)).filter(|_| op != 0)?;
            out.extend_from_slice(literal);
            rest = after;
        } else {
            let mut number = |bits: std::ops::Range<u8>| -> Option<usize> {
                let mut value = 0_usize;
                for (place, bit) in bits.enumerate() {
                    if op & (1 << bit) != 0 {
                        let (&byte, after) = rest.split_first()?;
                        rest = after;
                        value |= usize::from(byte) << (8 * place);
                    }
                }
                Some(value)
            };
            let offset = number(0..4)?;
            let length = match number(4..7)? {
                0 => 0x10000,
                length => length,
            };
            out.extend_from_slice(base.get(offset..offset.checked_add(length)?)?);
        }
        if out.len() as u64 > COMMIT_BYTES_MAX {
            return None;
        }
    }
    (out.len() as u64 == wanted).then_some(out)
}

fn one(reader: &mut impl Read) -> io::Result<u8> {
    let mut byte = [0];
    reader.read_exact(&mut byte)?;
    let [byte] = byte;
    Ok(byte)
}

/// A reader that knows how far it is.
struct Counted<'r, R> {
    inner: &'r mut R,
    count: u64,
}

impl<R: BufRead> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.count += read as u64;
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.count += amount as u64;
        self.inner.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_are_those_that_git_reads() {
        let (tree, one) = ("a".repeat(40), "b".repeat(40));
        let count = |text: String| parents(text.as_bytes()).len();
        assert_eq!(
            count(format!("tree {tree}\nparent {one}\nparent {one}\nauthor a\n\nx")),
            2
        );
        for none in [
            format!("tree {tree}\nparent {one}"),
            format!("tree {tree}\nparent {one}\n"),
            format!("tree {tree}x\nparent {one}\nauthor a\n"),
            format!("parent {one}\nauthor a\n"),
            format!("tree {tree}\nauthor a\n\nparent {one}\nauthor b"),
            format!("tree {tree}\nparent {one} \nauthor a\n"),
        ] {
            assert_eq!(count(none.clone()), 0, "{none}");
        }
    }
}
