//! Project chores. `cargo run -q -p remit-xtask -- tidy` checks what no compiler checks: see `tidy`.

mod tidy;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let (Some("tidy"), None) = (arguments.next().as_deref(), arguments.next()) else {
        writeln!(std::io::stderr(), "usage: cargo run -q -p remit-xtask -- tidy")?;
        return Ok(ExitCode::from(2));
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let report = tidy::check(&root)?;
    let mut out = std::io::stdout().lock();
    for remark in &report.remarks {
        writeln!(out, "{remark}")?;
    }
    for complaint in &report.complaints {
        writeln!(out, "error: {complaint}")?;
    }
    writeln!(
        out,
        "tidy: {} files, {} problems",
        report.files,
        report.complaints.len()
    )?;
    Ok(if report.complaints.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
