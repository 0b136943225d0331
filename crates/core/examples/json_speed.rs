//! How fast documents are parsed and written back, in MB/s of input on one core, with `serde_json` beside it:
//! `cargo run --release -p remit-core --example json_speed`.

use remit_core::json::{Bounds, parse};
use std::hint::black_box;
use std::io::Write;
use std::time::{Duration, Instant};

/// Rounds per figure; the median counts.
const ROUNDS: usize = 9;
const ROUND: Duration = Duration::from_millis(60);

fn main() -> std::io::Result<()> {
    let text =
        "The quarterly report is attached; please read section \u{201c}Risks\u{201d} first. ".repeat(60);
    let rows: Vec<String> = (0..200)
        .map(|n| {
            format!(
                r#"{{"id":{n},"title":"Issue number {n}","open":{},"score":{}.5,"labels":["bug","p{}"]}}"#,
                n % 3 == 0,
                n,
                n % 4
            )
        })
        .collect();
    let documents = [
        ("tool arguments", r#"{"path":"/srv/project/src/main.rs","limit":200,"recursive":true,"patterns":["*.rs","*.toml"]}"#.to_owned()),
        ("a tools/call", r#"{"jsonrpc":"2.0","id":17,"method":"tools/call","params":{"name":"create_issue","arguments":{"owner":"acme","repo":"shop","title":"Checkout fails for amounts above 1000","body":"Steps:\n1. open the cart\n2. pay\n","labels":["bug","payments"],"assignee":null},"_meta":{"progressToken":4}}}"#.to_owned()),
        ("a text", format!(r#"{{"content":"{text}","path":"/srv/report.md"}}"#)),
        ("200 rows", format!("[{}]", rows.join(","))),
        ("2,000 doubles", format!("[{}]", (0..2000).map(|n| format!("{}", f64::from(n) / 7.0)).collect::<Vec<_>>().join(","))),
    ];
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "{:16} {:>8} {:>12} {:>12} {:>12} {:>12}",
        "MB/s", "bytes", "parse", "write", "serde parse", "serde write"
    )?;
    for (name, document) in &documents {
        let bytes = document.as_bytes();
        let ours = parse(bytes, &Bounds::REQUEST).map_err(std::io::Error::other)?;
        let theirs: serde_json::Value = serde_json::from_slice(bytes)?;
        let figures = [
            speed(bytes, || {
                black_box(parse(black_box(bytes), &Bounds::REQUEST)).is_ok()
            }),
            speed(bytes, || !black_box(black_box(&ours).to_canonical()).is_empty()),
            speed(bytes, || {
                black_box(serde_json::from_slice::<serde_json::Value>(black_box(bytes))).is_ok()
            }),
            speed(bytes, || {
                black_box(serde_json::to_vec(black_box(&theirs))).is_ok()
            }),
        ];
        let [a, b, c, d] = figures;
        writeln!(
            out,
            "{name:16} {:>8} {a:>12.0} {b:>12.0} {c:>12.0} {d:>12.0}",
            bytes.len()
        )?;
    }
    Ok(())
}

/// The median speed of `work`, which takes `bytes` once, in MB/s.
#[expect(clippy::disallowed_methods, reason = "a measurement reads the real clock")]
fn speed(bytes: &[u8], work: impl Fn() -> bool) -> f64 {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (start, mut done) = (Instant::now(), 0_u32);
            while start.elapsed() < ROUND {
                done += (0..50).map(|_| u32::from(work())).sum::<u32>();
            }
            f64::from(done) * f64::from(u32::try_from(bytes.len()).unwrap_or(u32::MAX))
                / start.elapsed().as_secs_f64()
                / 1e6
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds.get(ROUNDS / 2).copied().unwrap_or_default()
}
