//! The files of the project: everything below the root that `.gitignore` does not exclude.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context as _;

/// Files by path from the root, with `/` between names.
#[derive(Debug, Default)]
pub struct Tree {
    /// Text of each file; empty for what is not UTF-8.
    pub files: BTreeMap<String, String>,
    /// Folders that hold any of them.
    pub folders: BTreeSet<String>,
}

impl Tree {
    /// Reads everything below `root`.
    ///
    /// # Errors
    /// When a file or a folder cannot be read.
    pub fn read(root: &Path) -> anyhow::Result<Self> {
        let ignore = std::fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored: Vec<&str> = ignore
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .collect();
        let mut tree = Self::default();
        tree.enter(root, "", &ignored)?;
        Ok(tree)
    }

    #[cfg(test)]
    pub fn of(files: &[(&str, &str)]) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            tree.add((*path).to_owned(), (*text).to_owned());
        }
        tree
    }

    /// Whether there is such a file or folder.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.files.contains_key(path) || self.folders.contains(path)
    }

    /// Files whose name ends in `.extension`.
    pub fn with_extension<'a>(&'a self, extension: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.files
            .iter()
            .filter(move |(path, _)| path.rsplit_once('.').is_some_and(|(_, end)| end == extension))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    fn enter(&mut self, root: &Path, folder: &str, ignored: &[&str]) -> anyhow::Result<()> {
        let here = root.join(folder);
        for entry in std::fs::read_dir(&here).with_context(|| format!("reading `{}`", here.display()))? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() {
                name.clone()
            } else {
                format!("{folder}/{name}")
            };
            if name == ".git" || ignored.iter().any(|pattern| excludes(pattern, &path, &name)) {
                continue;
            }
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.enter(root, &path, ignored)?;
            } else if kind.is_file() {
                let bytes = std::fs::read(entry.path()).with_context(|| format!("reading `{path}`"))?;
                self.add(path, String::from_utf8(bytes).unwrap_or_default());
            }
        }
        Ok(())
    }

    fn add(&mut self, path: String, text: String) {
        for (at, _) in path.match_indices('/') {
            self.folders.insert(path.chars().take(at).collect());
        }
        self.files.insert(path, text);
    }
}

/// The forms of `.gitignore` lines that this project uses: `/path`, `name`, `*.ending`.
fn excludes(pattern: &str, path: &str, name: &str) -> bool {
    match (pattern.strip_prefix('/'), pattern.strip_prefix('*')) {
        (Some(from_root), _) => path == from_root,
        (_, Some(ending)) => name.ends_with(ending),
        _ => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_of_ignored_names() {
        assert!(excludes("/target", "target", "target") && !excludes("/target", "fuzz/target", "target"));
        assert!(excludes("node_modules", "a/node_modules", "node_modules"));
        assert!(excludes("*.pyc", "a/b.pyc", "b.pyc") && !excludes("*.pyc", "a/b.py", "b.py"));
    }

    #[test]
    fn folders_are_those_of_the_files() {
        let tree = Tree::of(&[("a/b/c.rs", "")]);
        assert!(tree.has("a/b/c.rs") && tree.has("a/b/") && tree.has("a"));
        assert!(!tree.has("b") && !tree.has("a/b/c"));
    }
}
