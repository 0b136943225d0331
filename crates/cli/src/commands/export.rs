//! `remit export`: the ledger on a stream of lines, for verification elsewhere.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use serde_json::json;

use crate::context::Context;
use crate::failure::Failure;
use crate::out::text::Text;

/// Writes the ledger out.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Into this file, which must not exist yet; standard output when absent
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Only the newest signed checkpoint: keep it elsewhere, and `verify --checkpoint` finds any later change before it
    #[arg(long)]
    pub checkpoint: bool,
}

/// Exports.
///
/// # Errors
/// Not running, refused, or the file cannot be written.
pub async fn run(context: &Context, args: &Args) -> Result<(), Failure> {
    let control = context.control()?;
    let mut sink = Sink::open(args)?;
    let mut bytes: u64 = 0;
    if args.checkpoint {
        let text = control.get_text("/v1/checkpoint").await?;
        bytes = sink.write(text.as_bytes())?;
    } else {
        let mut stream = control.stream("/v1/export").await?;
        while let Some(chunk) = stream.chunk().await? {
            bytes += sink.write(&chunk)?;
        }
    }
    sink.finish()?;
    let Some(file) = &args.output else {
        return Ok(());
    };
    let file = file.to_string_lossy();
    if context.print_json(&json!({"file": file, "bytes": bytes}))? {
        return Ok(());
    }
    context.out.line(
        Text::new()
            .strong("written ")
            .plain(format!("{file} ({bytes} bytes)")),
    )
}

enum Sink {
    File(std::fs::File, String),
    Standard(io::Stdout),
}

impl Sink {
    fn open(args: &Args) -> Result<Self, Failure> {
        let Some(path) = &args.output else {
            return Ok(Self::Standard(io::stdout()));
        };
        let name = path.display().to_string();
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|error| Failure::local(format!("cannot create `{name}`: {error}")))?;
        Ok(Self::File(file, name))
    }

    fn write(&mut self, bytes: &[u8]) -> Result<u64, Failure> {
        match self {
            Self::File(file, name) => file
                .write_all(bytes)
                .map_err(|error| Failure::local(format!("cannot write `{name}`: {error}")))?,
            Self::Standard(out) => out.write_all(bytes).map_err(|error| match error.kind() {
                io::ErrorKind::BrokenPipe => Failure::NobodyReads,
                _ => Failure::local(format!("cannot write to standard output: {error}")),
            })?,
        }
        Ok(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
    }

    fn finish(&mut self) -> Result<(), Failure> {
        match self {
            Self::File(file, name) => file
                .sync_all()
                .map_err(|error| Failure::local(format!("cannot write `{name}`: {error}"))),
            Self::Standard(out) => out
                .flush()
                .map_err(|error| Failure::local(format!("cannot write to standard output: {error}"))),
        }
    }
}
