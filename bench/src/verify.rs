//! Verifying an export of the ledger offline, with every signature, on one core.

use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::time::Timestamp;
use remit_ledger::export::{self, ExportWriter, Trust};
use remit_ledger::note::{Ed25519Signer, KeyName};
use remit_ledger::record::Record;
use remit_ledger::tree::Frontier;
use remit_ledger::{Checkpoint, leaf_hash};

use crate::report::{Goal, Row};
use crate::time::cpu;

const ORIGIN: &str = "ledger.remit.example/bench";
const CHECKPOINT_EVERY: u64 = 10_000;
const RUNS: usize = 5;

/// An export of `records` records of about 700 bytes, verified five times; CPU time, the median.
///
/// # Errors
/// When the export does not verify.
pub fn run(records: u64) -> anyhow::Result<Vec<Row>> {
    let signer = Ed25519Signer::generate(KeyName::new(ORIGIN)?, &SeededEntropy::new(1))?;
    let (mut rows, mut checkpoints, mut frontier) = (Vec::new(), Vec::new(), Frontier::new());
    for seq in 0..records {
        let row = record(seq).encode()?;
        frontier.append(leaf_hash(&row), |_| ())?;
        rows.push(row);
        if frontier.size().is_multiple_of(CHECKPOINT_EVERY) || frontier.size() == records {
            checkpoints.push(Checkpoint::new(ORIGIN, frontier.size(), frontier.root()).sign(&signer)?);
        }
    }
    let head = checkpoints
        .last()
        .ok_or_else(|| anyhow::anyhow!("no records, no head"))?;
    let mut writer = ExportWriter::new(Vec::new(), signer.verifier(), &Frontier::new(), head)?;
    let mut due = checkpoints.iter().peekable();
    for (seq, row) in (0_u64..).zip(&rows) {
        writer.record(row, leaf_hash(row))?;
        if let Some(checkpoint) = due.next_if(|checkpoint| checkpoint.size() == seq + 1) {
            writer.checkpoint(checkpoint);
        }
    }
    let export = writer.finish()?;
    let trust = Trust {
        key: Some(signer.verifier().clone()),
        ..Trust::default()
    };
    let mut rates = Vec::with_capacity(RUNS);
    for _ in 0..RUNS {
        let used = cpu();
        let found = export::verify(export.as_slice(), &trust)?;
        anyhow::ensure!(found.report.is_ok(), "a whole export does not verify");
        rates.push(records as f64 / cpu().saturating_sub(used).as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    let median = rates.get(RUNS / 2).copied().unwrap_or(f64::NAN);
    Ok(vec![Row::new(
        "verify of an export, one core",
        median,
        "/s",
        Some(Goal::AtLeast(500_000.0)),
    )])
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
        agent: text("coder"),
        initiator: text("alice"),
        chain: vec!["alice".to_owned(), "coder".to_owned()],
        tool: text("tracker/create_issue"),
        class: text("write"),
        resource: Some(format!("tracker:shop/issues/{seq}")),
        decision: text("allow"),
        reason: text("permitted"),
        rules: vec!["baseline.write".to_owned(), "task.tools".to_owned()],
        policy_version: Some(Digest::of(b"policy").to_string()),
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
