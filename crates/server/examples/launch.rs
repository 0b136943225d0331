//! Stands in for `remit launch` in the tests: applies the spec to itself and becomes the command.
#![expect(clippy::print_stderr, reason = "a launcher that fails says why")]

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use remit_confine::{LaunchSpec, enter_and_exec};

/// `launch --spec PATH -- CMD…`
fn main() -> ExitCode {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let spec = words.get(2).map(|path| LaunchSpec::read(Path::new(path)));
    let error = match (spec, words.get(4..)) {
        (Some(Ok(spec)), Some(command)) => enter_and_exec(&spec, command),
        (Some(Err(error)), _) => error,
        _ => std::io::Error::other("launch --spec PATH -- CMD…"),
    };
    eprintln!("{error}");
    ExitCode::FAILURE
}
