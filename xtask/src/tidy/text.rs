//! What every file has to say, and what none may: a Rust file starts with what its room is for; permits come from one mint;
//! nothing names the machine it was written on or the host its dependencies were fetched from.

use super::Report;
use super::tree::Tree;

/// This file has to spell them out.
const EXEMPT: &str = "xtask/src/tidy/text.rs";

/// The only way to a mint of permits.
const MINT: &str = "Mint::at_start";

const MACHINE: &[&str] = &["/work/", "/tmp/bash", "/root/"];

const HOSTS: &[&str] = &[
    "registry.npmjs.org",
    "registry.yarnpkg.com",
    "pypi.org",
    "files.pythonhosted.org",
    "index.crates.io",
    "static.crates.io",
    "proxy.golang.org",
    "\"resolved\":",
];

pub fn check(tree: &Tree, report: &mut Report) {
    for (path, _) in tree
        .with_extension("rs")
        .filter(|(_, text)| !text.starts_with("//!"))
    {
        report.complaints.push(format!(
            "{path}: does not start with `//!` and what this room is for"
        ));
    }
    let mints = |text: &str| text.matches(MINT).count();
    let minting: Vec<&str> = tree
        .with_extension("rs")
        .filter(|(path, text)| !path.contains("/tests/") && *path != EXEMPT && mints(text) > 0)
        .flat_map(|(path, text)| std::iter::repeat_n(path, mints(text)))
        .collect();
    if let [_, others @ ..] = minting.as_slice() {
        for path in others {
            report.complaints.push(format!(
                "{path}: a second `{MINT}`: there is one mint, made once at start"
            ));
        }
    }
    for (path, text) in tree.files.iter().filter(|(path, _)| *path != EXEMPT) {
        let words = MACHINE.iter().map(|word| (word, "is a path of one machine"));
        for (word, why) in words.chain(
            HOSTS
                .iter()
                .map(|word| (word, "fixes where dependencies come from")),
        ) {
            if text.contains(word)
                && let Some(line) = text.lines().position(|line| line.contains(word))
            {
                report
                    .complaints
                    .push(format!("{path}:{}: `{word}` {why}: leave it out", line + 1));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_fails_where_it_is_broken() {
        let tree = Tree::of(&[
            ("good.rs", "//! Good.\n"),
            ("bare.rs", "fn main() {}\n"),
            ("mints.rs", "//! Mints.\nMint::at_start()\nMint::at_start()\n"),
            ("docs/a.md", "first\nsee /root/notes\n"),
            ("package-lock.json", "{\"resolved\": \"x\"}"),
        ]);
        let mut report = Report::default();
        check(&tree, &mut report);
        let starts = [
            "bare.rs: ",
            "mints.rs: ",
            "docs/a.md:2: ",
            "package-lock.json:1: ",
        ];
        assert_eq!(report.complaints.len(), starts.len(), "{:?}", report.complaints);
        for (complaint, start) in report.complaints.iter().zip(starts) {
            assert!(complaint.starts_with(start), "{complaint}");
        }
    }
}
