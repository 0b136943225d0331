//! The figures the project is held to, each with its goal. `bench/run` builds what it takes and calls this.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use remit_bench::report::{Goal, Row, print};
use remit_bench::{
    append, calls, decision, egress, growth, identity, large, leases, tasks, time, up, verify,
};

const USAGE: &str = "usage: remit-bench [--json] [--short] [--remit PATH] [--contextforge VENV] [--bao PATH] \
                     [--records N] [decision | append | calls | egress | tasks | identity | leases | growth | up | verify | large]...";

struct Options {
    json: bool,
    short: bool,
    /// The binary, for `up` and `large`.
    remit: Option<PathBuf>,
    /// Virtual environment of ContextForge, for `calls`.
    contextforge: Option<PathBuf>,
    /// OpenBao, for `leases`.
    bao: Option<PathBuf>,
    /// Records of `large`.
    records: u64,
    only: Vec<String>,
}

fn main() -> anyhow::Result<ExitCode> {
    let Some(options) = options(std::env::args().skip(1)) else {
        writeln!(std::io::stderr(), "{USAGE}")?;
        return Ok(ExitCode::from(2));
    };
    let folder = std::env::temp_dir().join(format!("remit-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let outcome = all(&options, &folder);
    std::fs::remove_dir_all(&folder)?;
    // A figure that misses its goal is shown, not hidden behind a status: machines differ.
    outcome.map(|()| ExitCode::SUCCESS)
}

fn options(mut arguments: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options {
        json: false,
        short: false,
        remit: None,
        contextforge: None,
        bao: None,
        records: 10_000_000,
        only: Vec::new(),
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" => options.json = true,
            "--short" => options.short = true,
            "--remit" => options.remit = Some(arguments.next()?.into()),
            "--contextforge" => options.contextforge = Some(arguments.next()?.into()),
            "--bao" => options.bao = Some(arguments.next()?.into()),
            "--records" => options.records = arguments.next()?.parse().ok()?,
            "decision" | "append" | "calls" | "egress" | "tasks" | "identity" | "leases" | "growth"
            | "up" | "verify" | "large" => options.only.push(argument),
            _ => return None,
        }
    }
    Some(options)
}

fn all(options: &Options, folder: &Path) -> anyhow::Result<()> {
    let wanted = |name: &str| options.only.is_empty() || options.only.iter().any(|only| only == name);
    let show = |rows: Vec<Row>| rows.iter().try_for_each(|row| print(row, options.json));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if wanted("decision") {
        show(decisions(if options.short { 20 } else { 200 })?)?;
    }
    if wanted("append") {
        show(appends(
            folder,
            Duration::from_secs(if options.short { 1 } else { 10 }),
        )?)?;
    }
    if wanted("calls") {
        let count = if options.short { 300 } else { 5_000 };
        let peer = options.contextforge.as_deref();
        show(runtime.block_on(calls::run(folder, count, peer))?)?;
    }
    if wanted("egress") {
        let count = if options.short { 300 } else { 5_000 };
        show(runtime.block_on(egress::run(folder, count))?)?;
    }
    if wanted("tasks") {
        show(runtime.block_on(tasks::run(folder, if options.short { 200 } else { 3_000 }))?)?;
    }
    if wanted("identity") {
        let (count, runs) = if options.short {
            (200, 500)
        } else {
            (2_000, 10_000)
        };
        show(runtime.block_on(identity::run(folder, count, runs))?)?;
    }
    if wanted("leases") {
        let (count, known) = if options.short {
            (100, 10_000)
        } else {
            (2_000, 100_000)
        };
        let bao = options.bao.as_deref();
        show(runtime.block_on(leases::run(folder, bao, count, known))?)?;
    }
    if wanted("growth") {
        let open = if options.short { 2_000 } else { 100_000 };
        show(runtime.block_on(growth::run(folder, open))?)?;
    }
    if wanted("verify") {
        show(verify::run(if options.short { 50_000 } else { 500_000 })?)?;
    }
    if let (true, Some(remit)) = (wanted("up"), &options.remit) {
        show(up::run(folder, remit, if options.short { 3 } else { 15 })?)?;
    }
    // Filling the ledger takes minutes: only when it is asked for by name.
    if options.only.iter().any(|only| only == "large") {
        let large = large::run(folder, options.remit.as_deref(), options.records);
        show(runtime.block_on(large)?)?;
    }
    Ok(())
}

fn decisions(batches: usize) -> anyhow::Result<Vec<Row>> {
    let (activation, figures) = decision::run(batches, None)?;
    let of = |what: &str| {
        figures
            .iter()
            .find(|figure| figure.what == what)
            .map_or(f64::NAN, |figure| figure.median_us)
    };
    let base = of("allow");
    let mut rows: Vec<Row> = figures
        .iter()
        .map(|figure| {
            let goal = (figure.what == "allow").then_some(Goal::AtMost(60.0, None));
            Row::new(
                format!("decision: {} ({} rules)", figure.what, figure.rules),
                figure.median_us,
                "µs",
                goal,
            )
        })
        .collect();
    for (what, limit) in [
        ("hold", 2.0),
        ("allow, delegation depth 8", 2.0),
        ("allow, 10,000 rules", 1.3),
        ("allow, 100,000 open tasks", 1.3),
        ("allow, both", 1.3),
    ] {
        rows.push(Row::new(
            format!("decision: {what}, against allow"),
            of(what) / base,
            "x",
            Some(Goal::AtMost(limit, None)),
        ));
    }
    rows.push(Row::new(
        "activation of 51 rules against 1,000 tools",
        time::ms(activation),
        "ms",
        None,
    ));
    Ok(rows)
}

fn appends(folder: &Path, duration: Duration) -> anyhow::Result<Vec<Row>> {
    let (floor, figures) = append::run(folder, &[16, 256], duration)?;
    let mut rows = vec![Row {
        p99: Some(floor.p99_ms),
        ..Row::new(
            "floor: one record written and synced alone",
            floor.p50_ms,
            "ms",
            None,
        )
    }];
    for figure in figures {
        let (rate, p99) = if figure.writers <= 16 {
            (12_000.0, 5.0)
        } else {
            (40_000.0, 25.0)
        };
        let what = format!("append with state, SQLite FULL, {} writers", figure.writers);
        rows.push(Row::new(
            what.clone(),
            figure.per_second,
            "/s",
            Some(Goal::AtLeast(rate)),
        ));
        rows.push(Row {
            p99: Some(figure.p99_ms),
            ..Row::new(
                format!("{what}: time of one"),
                figure.p50_ms,
                "ms",
                Some(Goal::P99AtMost(p99)),
            )
        });
    }
    Ok(rows)
}
