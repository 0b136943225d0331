//! `cargo run -p remit-scenario --example run -- FILE…`: what `remit scenario run` does, without the rest of the binary.

use std::path::PathBuf;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let files: Vec<PathBuf> = std::env::args_os().skip(1).map(Into::into).collect();
    let summary =
        remit_scenario::run_files(&files, remit_scenario::Options::default(), &mut std::io::stdout()).await;
    summary.map_or(ExitCode::from(1), |summary| ExitCode::from(summary.exit_code()))
}
