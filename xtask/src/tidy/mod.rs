//! What no compiler checks, in well under a second: which crate may use which, how long files are, that the paths that
//! docs name exist, and that nothing of one machine gets into the tree.

mod arrows;
mod docs;
mod sizes;
mod text;
mod tree;

use std::path::Path;

use self::tree::Tree;

/// What was found.
#[derive(Debug, Default)]
pub struct Report {
    /// Files looked at.
    pub files: usize,
    /// Worth knowing; no failure.
    pub remarks: Vec<String>,
    /// Each fails the check: `path[:line]: what is wrong, what to do`.
    pub complaints: Vec<String>,
}

/// Every check on the tree below `root`.
///
/// # Errors
/// When a file cannot be read or a manifest is not TOML.
pub fn check(root: &Path) -> anyhow::Result<Report> {
    let tree = Tree::read(root)?;
    let mut report = Report {
        files: tree.files.len(),
        ..Report::default()
    };
    arrows::check(&tree, &mut report)?;
    sizes::check(&tree, &mut report);
    text::check(&tree, &mut report);
    docs::check(&tree, &mut report);
    Ok(report)
}
