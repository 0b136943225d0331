//! How fast a log verifies on one core: `cargo run --release --example verify_speed [RECORDS]`.
//!
//! Records of about 700 bytes, a checkpoint every 10,000, once as an export and once from rows with all stored
//! hashes. Prints the best of five runs, in CPU time of the one thread.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::time::Timestamp;
use remit_ledger::export::{self, ExportWriter, Trust};
use remit_ledger::note::{Ed25519Signer, KeyName};
use remit_ledger::record::Record;
use remit_ledger::tree::{Frontier, stored_hash_count};
use remit_ledger::verify::Verifier;
use remit_ledger::{Checkpoint, Hash, SignedCheckpoint, leaf_hash};

const ORIGIN: &str = "ledger.remit.example/speed";
const CHECKPOINT_EVERY: u64 = 10_000;
const RUNS: u32 = 5;

struct Log {
    rows: Vec<Vec<u8>>,
    stored: Vec<Hash>,
    checkpoints: Vec<SignedCheckpoint>,
    signer: Ed25519Signer,
}

fn main() -> Result<(), Box<dyn Error>> {
    let records: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(200_000), |count| count.parse())?;
    let log = build(records)?;
    let head = log.checkpoints.last().ok_or("no records, no head")?;
    let mut writer = ExportWriter::new(Vec::new(), log.signer.verifier(), &Frontier::new(), head)?;
    let mut checkpoints = log.checkpoints.iter().peekable();
    for (seq, row) in (0_u64..).zip(&log.rows) {
        writer.record(row, leaf_hash(row))?;
        if let Some(checkpoint) = checkpoints.next_if(|checkpoint| checkpoint.size() == seq + 1) {
            writer.checkpoint(checkpoint);
        }
    }
    let export = writer.finish()?;
    let trust = Trust {
        key: Some(log.signer.verifier().clone()),
        ..Trust::default()
    };
    let bytes: usize = log.rows.iter().map(Vec::len).sum();
    let mut out = std::io::stdout().lock();
    writeln!(out, "{records} records of {} bytes", bytes / log.rows.len())?;
    for (what, run) in [
        (
            "export",
            &(|| export::verify(export.as_slice(), &trust).is_ok_and(|found| found.report.is_ok()))
                as &dyn Fn() -> bool,
        ),
        ("rows and stored hashes", &|| verify_rows(&log)),
    ] {
        let best = best_of(run).ok_or("the log does not verify")?;
        writeln!(
            out,
            "{what}: {:.0} records/s",
            count(records) / best.as_secs_f64()
        )?;
    }
    Ok(())
}

fn count(records: u64) -> f64 {
    u32::try_from(records).map_or(f64::INFINITY, f64::from)
}

fn best_of(run: &dyn Fn() -> bool) -> Option<Duration> {
    let timed = |_| {
        let start = cpu_time()?;
        if !run() {
            return None;
        }
        cpu_time()?.checked_sub(start)
    };
    (0..RUNS)
        .map(timed)
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .min()
}

/// What this thread has had of a core, so that other work on the machine does not count (Linux).
fn cpu_time() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    stat.split(' ').next()?.parse().ok().map(Duration::from_nanos)
}

fn verify_rows(log: &Log) -> bool {
    let mut verifier = Verifier::new(ORIGIN, &[log.signer.verifier().clone()]);
    for checkpoint in &log.checkpoints {
        verifier.checkpoint(checkpoint.to_string().as_bytes());
    }
    let (mut stored, mut index) = (log.stored.as_slice(), 0_u64);
    for (chunk, rows) in (0_u64..).zip(log.rows.chunks(256)) {
        let end = stored_hash_count(chunk * 256 + rows.len() as u64);
        let (now, later) = stored.split_at(usize::try_from(end - index).unwrap_or(0));
        verifier.stored_hashes(index, now);
        (stored, index) = (later, end);
        rows.iter().for_each(|row| verifier.record(row));
    }
    verifier.finish().is_ok()
}

fn build(records: u64) -> Result<Log, Box<dyn Error>> {
    let signer = Ed25519Signer::generate(KeyName::new(ORIGIN)?, &SeededEntropy::new(1))?;
    let (mut rows, mut stored, mut checkpoints) = (Vec::new(), Vec::new(), Vec::new());
    let mut frontier = Frontier::new();
    for seq in 0..records {
        let row = record(seq).encode()?;
        frontier.append(leaf_hash(&row), |hash| stored.push(hash))?;
        rows.push(row);
        if frontier.size().is_multiple_of(CHECKPOINT_EVERY) || frontier.size() == records {
            checkpoints.push(Checkpoint::new(ORIGIN, frontier.size(), frontier.root()).sign(&signer)?);
        }
    }
    Ok(Log {
        rows,
        stored,
        checkpoints,
        signer,
    })
}

fn record(seq: u64) -> Record {
    let text = |text: &str| Some(text.to_owned());
    let digest = |what: &str| Some(Digest::of(format!("{what} {seq}").as_bytes()));
    Record {
        seq,
        time: Timestamp(1_790_000_000_000 + i64::try_from(seq).unwrap_or(0)),
        kind: "decision".to_owned(),
        decision_id: Some(format!("dec_{seq:026}")),
        task: Some(format!("task_{:026}", seq / 50)),
        run: Some(format!("run_{:026}", seq / 50)),
        agent: text("triage"),
        initiator: text("ada"),
        chain: vec!["ada".to_owned(), "triage".to_owned()],
        tool: text("tracker/create_issue"),
        class: text("write"),
        resource: Some(format!("tracker:shop/issues/{seq}")),
        decision: text("allow"),
        reason: text("permitted"),
        rules: vec!["guardrail/base".to_owned(), "task/limits".to_owned()],
        policy_version: text("2026-11-21.3"),
        lane: text("enforced"),
        confinement: text("landlock"),
        proof: text("peer"),
        origin: text("initial"),
        digest: digest("call"),
        commitment: digest("commitment"),
        body: digest("body"),
        ..Record::default()
    }
}
