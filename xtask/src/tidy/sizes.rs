//! How long files are: the median is about 150 lines, above 400 is listed, above 800 needs a reason.

use super::Report;
use super::tree::Tree;

const LISTED_ABOVE: usize = 400;
const REFUSED_ABOVE: usize = 800;

/// Files that may be longer, with the reason.
const EXCEPTIONS: &[(&str, &str)] = &[];

pub fn check(tree: &Tree, report: &mut Report) {
    let mut lengths: Vec<(usize, &str)> = tree
        .with_extension("rs")
        .map(|(path, text)| (text.lines().count(), path))
        .collect();
    lengths.sort_unstable();
    for (lines, path) in lengths
        .iter()
        .rev()
        .take_while(|(lines, _)| *lines > LISTED_ABOVE)
    {
        let excepted = EXCEPTIONS.iter().any(|(name, _)| name == path);
        if *lines > REFUSED_ABOVE && !excepted {
            report.complaints.push(format!(
                "{path}: {lines} lines: split it, or give a reason in xtask/src/tidy/sizes.rs"
            ));
        } else {
            report.remarks.push(format!("{path}: {lines} lines"));
        }
    }
    for (path, _) in EXCEPTIONS
        .iter()
        .filter(|(path, _)| !lengths.iter().any(|(_, name)| name == path))
    {
        report.complaints.push(format!(
            "xtask/src/tidy/sizes.rs: `{path}` is excepted and does not exist"
        ));
    }
    let total: usize = lengths.iter().map(|(lines, _)| lines).sum();
    let median = lengths.get(lengths.len() / 2).map_or(0, |(lines, _)| *lines);
    report.remarks.push(format!(
        "{} Rust files, {total} lines, median {median}",
        lengths.len()
    ));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_long_is_refused_and_long_is_listed() {
        let (long, too_long) = ("\n".repeat(401), "\n".repeat(801));
        let mut report = Report::default();
        check(
            &Tree::of(&[("a.rs", &long), ("b.rs", &too_long), ("c.rs", "")]),
            &mut report,
        );
        assert_eq!(report.complaints.len(), 1);
        assert!(report.complaints[0].starts_with("b.rs: 801 lines"));
        assert!(
            report.remarks.contains(&"a.rs: 401 lines".to_owned()),
            "{:?}",
            report.remarks
        );
    }
}
