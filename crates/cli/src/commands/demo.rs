//! `remit demo`: the main job on stock parts, from the source tree this binary was built in.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::context::Context;
use crate::failure::Failure;

/// Shows the main job.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The script beside the sources; it brings servers and clients that others wrote, which no binary carries.
const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../demo");

/// Becomes the demo.
///
/// # Errors
/// The source tree is gone, or the script cannot be started.
pub fn run(context: &Context, _: &Args) -> Result<u8, Failure> {
    if !Path::new(SCRIPT).is_file() {
        return Err(Failure::local(format!(
            "the demo needs the source tree, for the stock servers and clients it drives: run `./demo` in a checkout of {}",
            env!("CARGO_PKG_REPOSITORY")
        )));
    }
    let ourselves = std::env::current_exe()
        .map_err(|error| Failure::local(format!("cannot tell where this binary is: {error}")))?;
    let mut demo = Command::new(SCRIPT);
    demo.env("REMIT_BIN", ourselves);
    if context.out.json {
        demo.arg("--json");
    }
    let error = demo.exec();
    Err(Failure::local(format!("cannot start `{SCRIPT}`: {error}")))
}
