//! Programs that must not compile, in `tests/ui`: every line marked `//~ CODE` has that error, and there is no other.
//!
//! Each is compiled against the libraries this test was built with, so that nothing is built twice; compared are error
//! codes, not the words, which differ between compilers.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn nothing_reaches_a_server_without_a_permit_and_only_the_mint_makes_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    cases.sort();
    assert!(cases.len() >= 5, "only {cases:?}");
    for case in cases {
        let text = std::fs::read_to_string(&case).unwrap();
        let expected = marks(&text);
        let (found, output) = errors(&case);
        assert_eq!(found, expected, "{}:\n{output}", case.display());
        let must_compile = case.file_stem() == Some("allowed".as_ref());
        assert_eq!(
            expected.is_empty(),
            must_compile,
            "{} has no mark",
            case.display()
        );
    }
}

/// Line and code of each mark.
fn marks(text: &str) -> BTreeSet<(usize, String)> {
    let lines = text.lines().enumerate();
    lines
        .filter_map(|(at, line)| Some((at + 1, line.split_once("//~ ")?.1.to_owned())))
        .collect()
}

/// Line and code of each error the compiler gives, and all it says.
fn errors(case: &Path) -> (BTreeSet<(usize, String)>, String) {
    let deps = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let scratch = std::env::temp_dir().join(format!("remit-ui-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--crate-name",
            "case",
            "--emit",
            "metadata",
        ])
        .args([
            "--error-format",
            "short",
            "--color",
            "never",
            "-A",
            "warnings",
            "--out-dir",
        ])
        .arg(&scratch)
        .arg("-L")
        .arg(joined("dependency=", &deps));
    for library in [
        "remit_core",
        "remit_enforce",
        "remit_policy",
        "remit_store",
        "remit_upstream",
    ] {
        rustc
            .arg("--extern")
            .arg(joined(&format!("{library}="), &newest(&deps, library)));
    }
    let output = rustc.arg(case).output().unwrap();
    std::fs::remove_dir_all(&scratch).unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    let mut found: BTreeSet<(usize, String)> = said.lines().filter_map(error).collect();
    if !output.status.success() && found.is_empty() {
        found.insert((0, "no error with a code".to_owned()));
    }
    (found, said)
}

/// `PATH:LINE:COLUMN: error[CODE]: …`
fn error(line: &str) -> Option<(usize, String)> {
    let (place, rest) = line.split_once(": error")?;
    let code = rest
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or("without a code", |(code, _)| code);
    let number = place.rsplit(':').nth(1)?.parse().ok()?;
    Some((number, code.to_owned()))
}

/// The library as it was built last: builds with other features lie beside it.
fn newest(deps: &Path, library: &str) -> PathBuf {
    let start = format!("lib{library}-");
    let ours = std::fs::read_dir(deps)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(&start) && name.ends_with(".rlib")
        });
    ours.max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .unwrap_or_else(|| panic!("there is no {start}*.rlib in {}", deps.display()))
}

fn joined(start: &str, path: &Path) -> OsString {
    let mut text = OsString::from(start);
    text.push(path);
    text
}
