//! Every path that docs name exists: backticked paths in the Markdown files at the root, in docs/ and in the README files of the
//! rooms, and the targets of their links.

use super::Report;
use super::tree::Tree;

/// Endings of files that are ours whatever the folder: a bare name with one must be a file somewhere in the tree.
const SOURCE: &[&str] = &["rs", "sh", "mjs"];

pub fn check(tree: &Tree, report: &mut Report) {
    for (path, text) in tree.with_extension("md") {
        let mut fenced = false;
        for (number, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
                continue;
            }
            let mut missing: Vec<&str> = Vec::new();
            if !fenced {
                missing.extend(links(line).filter(|target| !link_exists(tree, path, target)));
            }
            // Commands in fences name paths too, between spaces.
            let spans: Vec<&str> = if fenced {
                vec![line]
            } else {
                line.split('`').skip(1).step_by(2).collect()
            };
            let words = spans
                .iter()
                .flat_map(|span| span.split([' ', '"', '\'', '(', ')', ',', '=']));
            missing.extend(words.filter(|word| !path_exists(tree, path, word)));
            for name in missing {
                report.complaints.push(format!(
                    "{path}:{}: `{name}` does not exist: fix or drop it",
                    number + 1
                ));
            }
        }
    }
}

/// Targets of `[words](target)` on one line.
fn links(line: &str) -> impl Iterator<Item = &str> {
    line.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

fn link_exists(tree: &Tree, from: &str, target: &str) -> bool {
    let path = target.split('#').next().unwrap_or_default();
    path.is_empty() || path.contains(':') || tree.has(&joined(folder_of(from), path))
}

/// True for anything that is not meant as a path of this tree.
fn path_exists(tree: &Tree, from: &str, word: &str) -> bool {
    let word = word.trim_end_matches(['.', ':', ';']);
    let plain = word.strip_prefix("./").unwrap_or(word);
    let plain = plain.split([':', '#']).next().unwrap_or_default();
    // `crates/*/src`, `docs/…`, `crates/{a,b}`: what stands before the placeholder.
    let fixed = match plain.find(['*', '…', '{', '<', '$', '[']) {
        Some(at) => plain
            .get(..at)
            .and_then(|start| start.rsplit_once('/'))
            .map_or("", |(start, _)| start),
        None => plain,
    };
    if fixed.is_empty() || fixed.starts_with(['/', '~', '-', '@']) || fixed.contains("//") {
        return true;
    }
    let first = fixed.split('/').next().unwrap_or_default();
    let of_source = fixed
        .rsplit_once('.')
        .is_some_and(|(_, end)| SOURCE.contains(&end));
    let of_root = fixed.contains('/') && tree.folders.contains(first);
    if !of_root && !of_source && !word.starts_with("./") {
        return true;
    }
    tree.has(fixed)
        || tree.has(&joined(folder_of(from), fixed))
        || (of_source
            && tree
                .files
                .keys()
                .any(|path| path == fixed || path.ends_with(&format!("/{fixed}"))))
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn joined(folder: &str, path: &str) -> String {
    let mut names: Vec<&str> = folder.split('/').filter(|name| !name.is_empty()).collect();
    for name in path.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            name => names.push(name),
        }
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(markdown: &str) -> Vec<String> {
        let tree = Tree::of(&[
            ("docs/page.md", markdown),
            ("docs/other.md", ""),
            ("crates/core/src/call.rs", ""),
            ("e2e/run.sh", ""),
            ("test", ""),
        ]);
        let mut report = Report::default();
        check(&tree, &mut report);
        report.complaints
    }

    #[test]
    fn what_exists_and_what_is_no_path_passes() {
        for line in [
            "`crates/core/src/call.rs`, `crates/core`, `crates/core/`, `crates/*/src`, `src/call.rs`, `call.rs:12`",
            "`./test`, `e2e/run.sh --json`, `other.md`, [a](other.md), [b](../crates/core/src/call.rs#L1), [c](https://x.y)",
            "`tools/call`, `fs:/srv/repo`, `/mcp/{server}`, `a/b/c`, `remit.toml`, crates/nowhere",
            "```sh\n./test && e2e/run.sh\n```",
        ] {
            assert_eq!(complaints(line), Vec::<String>::new(), "{line}");
        }
    }

    #[test]
    fn what_is_missing_fails_with_its_line() {
        for line in [
            "x\n`crates/core/src/gone.rs`",
            "x\n`crates/nowhere`",
            "x\n`gone.rs`",
            "x\n`./demo`",
            "x\n[a](gone.md)",
            "```\ne2e/gone.sh\n```",
        ] {
            let found = complaints(line);
            assert_eq!(found.len(), 1, "{line}: {found:?}");
            assert!(found[0].starts_with("docs/page.md:2: "), "{found:?}");
        }
    }
}
