//! Measures detection on real trees: what it finds per kind, how many bytes it read, how fast.
//!
//! `cargo run --release -p remit-credentials --example scan -- FOLDER…`

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use remit_credentials::detect::{Kind, find, masked};

/// Files beyond this are not read, in bytes.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

fn main() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for root in std::env::args().skip(1) {
        let mut tally = Tally::default();
        walk(Path::new(&root), &mut tally)?;
        for (path, line, shown) in &tally.known {
            writeln!(out, "{}:{line}: {shown}", path.display())?;
        }
        writeln!(
            out,
            "{root}: {} files, {} bytes, {} known, {} random",
            tally.files,
            tally.bytes,
            tally.known.len(),
            tally.random
        )?;
        for (what, count) in &tally.by_form {
            writeln!(out, "  {count:>6} {what}")?;
        }
    }
    Ok(())
}

#[derive(Default)]
struct Tally {
    files: u64,
    bytes: u64,
    random: u64,
    known: Vec<(PathBuf, usize, String)>,
    by_form: BTreeMap<&'static str, u64>,
}

fn walk(path: &Path, tally: &mut Tally) -> std::io::Result<()> {
    for entry in std::fs::read_dir(path)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && entry.file_name() != "target" && entry.file_name() != ".git" {
            walk(&entry.path(), tally)?;
        } else if kind.is_file() && entry.metadata()?.len() <= FILE_BYTES_MAX {
            read(&entry.path(), tally)?;
        }
    }
    Ok(())
}

fn read(path: &Path, tally: &mut Tally) -> std::io::Result<()> {
    let Ok(text) = String::from_utf8(std::fs::read(path)?) else {
        return Ok(());
    };
    tally.files += 1;
    tally.bytes += text.len() as u64;
    for one in find(&text) {
        let Kind::Known(what) = one.kind else {
            tally.random += u64::from(one.kind == Kind::Random);
            continue;
        };
        *tally.by_form.entry(what).or_default() += 1;
        let line = text
            .get(..one.at.start)
            .map_or(0, |before| before.lines().count());
        tally.known.push((path.to_owned(), line, masked(&text, &one)));
    }
    Ok(())
}
