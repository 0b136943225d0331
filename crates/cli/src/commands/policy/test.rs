//! `remit policy test`: the scenario files that say what a policy is meant to do.

use std::path::{Path, PathBuf};

use crate::commands::scenario;
use crate::context::Context;
use crate::failure::Failure;

/// Plays the scenario files beside the policies.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, or folders of `*.yaml` files; `tests` in the policy folder when absent
    pub paths: Vec<PathBuf>,
}

/// Plays them.
///
/// # Errors
/// There are none, or standard output cannot be written.
pub fn run(context: &Context, args: &Args) -> Result<u8, Failure> {
    let mut files = Vec::new();
    if args.paths.is_empty() {
        collect(&super::folder(context)?.join("tests"), &mut files)?;
    }
    for path in &args.paths {
        collect(path, &mut files)?;
    }
    if files.is_empty() {
        return Err(Failure::local(
            "there is no `*.yaml` file to play: name a file or a folder",
        ));
    }
    scenario::run(context.out, &files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    super::files_of(path, &["yaml", "yml"], files)
}
