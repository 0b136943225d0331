//! `remit scenario run`, which is `remit policy test`, too: files played through an engine of their own.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::Subcommand;
use remit_scenario::{Options, run_files};
use serde_json::Value;

use crate::failure::Failure;
use crate::out::Out;

/// What to do with scenarios.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Play scenario files through the real gateway; no server is needed
    Run(Args),
}

/// Plays files.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Scenario files (`docs/scenarios.md`)
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// Plays each file and says what came of it; the last line counts.
///
/// # Errors
/// Standard output cannot be written.
pub fn run(out: Out, files: &[PathBuf]) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::local(format!("cannot start: {error}")))?;
    let mut lines = Lines {
        out,
        line: Vec::new(),
        failure: None,
    };
    let options = Options { json: out.json };
    match runtime.block_on(run_files(files, options, &mut lines)) {
        Ok(summary) => Ok(summary.exit_code()),
        Err(error) => Err(lines
            .failure
            .unwrap_or_else(|| Failure::local(format!("cannot write: {error}")))),
    }
}

/// Everything a file says is from outside, so it goes the way of all output.
struct Lines {
    out: Out,
    line: Vec<u8>,
    failure: Option<Failure>,
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for &byte in bytes {
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            let line = String::from_utf8_lossy(&std::mem::take(&mut self.line)).into_owned();
            let written = match serde_json::from_str::<Value>(&line) {
                Ok(object) if self.out.json => self.out.json(&object),
                _ => self.out.line(line),
            };
            if let Err(failure) = written {
                self.failure = Some(failure);
                return Err(io::ErrorKind::BrokenPipe.into());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
