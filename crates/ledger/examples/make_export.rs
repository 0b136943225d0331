//! Writes a sample export, a proof of one of its records and a held checkpoint, for trying verifiers on.
//!
//! `make_export DIR RECORDS [FIRST]` writes `DIR/export.jsonl`, `DIR/record.tlog-proof`, `DIR/held.checkpoint` and
//! `DIR/key`. The signing key comes from a fixed seed: never trust it with anything.

use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::time::Timestamp;
use remit_ledger::export::ExportWriter;
use remit_ledger::note::{Ed25519Signer, KeyName};
use remit_ledger::record::Record;
use remit_ledger::tree::{self, Frontier, stored_hash_index};
use remit_ledger::{Checkpoint, Hash, LogProof, SignedCheckpoint, leaf_hash};

const ORIGIN: &str = "ledger.remit.example/sample";
/// Records between two checkpoints.
const CHECKPOINT_EVERY: u64 = 100;

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let usage = "usage: make_export DIR RECORDS [FIRST]";
    let dir = args.next().ok_or(usage)?;
    let records: u64 = args.next().ok_or(usage)?.parse()?;
    let first: u64 = args.next().map_or(Ok(0), |first| first.parse())?;
    write_sample(Path::new(&dir), records, first)
}

/// Writes the four files for a log of `records`, exported from record `first` on.
pub fn write_sample(dir: &Path, records: u64, first: u64) -> Result<(), Box<dyn Error>> {
    let signer = Ed25519Signer::generate(KeyName::new(ORIGIN)?, &SeededEntropy::new(1))?;
    let mut stored: Vec<Hash> = Vec::new();
    let mut frontier = Frontier::new();
    let mut checkpoints: Vec<SignedCheckpoint> = Vec::new();
    for seq in 0..records {
        frontier.append(leaf_hash(&sample(seq).encode()?), |hash| stored.push(hash))?;
        if frontier.size().is_multiple_of(CHECKPOINT_EVERY) || frontier.size() == records {
            let head = Checkpoint::new(ORIGIN, frontier.size(), frontier.root());
            checkpoints.push(head.sign(&signer)?);
        }
    }
    let read = |indexes: &[u64]| read_all(&stored, indexes);
    let head = checkpoints.last().ok_or("no records, no head")?;

    let out = BufWriter::new(File::create(dir.join("export.jsonl"))?);
    let start = Frontier::restore(first, read)?;
    let mut writer = ExportWriter::new(out, signer.verifier(), &start, head)?;
    let mut older = checkpoints
        .iter()
        .filter(|checkpoint| checkpoint.size() > first)
        .peekable();
    for seq in first..records {
        let leaf_hash = read(&[stored_hash_index(0, seq)])?;
        writer.record(
            &sample(seq).encode()?,
            *leaf_hash.first().ok_or("a stored hash is missing")?,
        )?;
        if let Some(checkpoint) = older.next_if(|checkpoint| checkpoint.size() == seq + 1) {
            writer.checkpoint(checkpoint);
        }
    }
    writer.finish()?.flush()?;

    let proved = (first + records) / 2;
    let hashes = tree::prove_inclusion(proved, records, read)?;
    let proof = LogProof::new(&sample(proved).encode()?, proved, hashes, head);
    std::fs::write(dir.join("record.tlog-proof"), proof.to_string())?;
    let held = checkpoints
        .iter()
        .rev()
        .find(|checkpoint| checkpoint.size() < records)
        .unwrap_or(head);
    std::fs::write(dir.join("held.checkpoint"), held.to_string())?;
    std::fs::write(dir.join("key"), signer.verifier().to_string())?;
    Ok(())
}

fn read_all(stored: &[Hash], indexes: &[u64]) -> Result<Vec<Hash>, Infallible> {
    let one = |&index: &u64| stored.get(usize::try_from(index).ok()?).copied();
    Ok(indexes.iter().filter_map(one).collect())
}

/// A decision record as a gateway writes it, about 700 bytes.
fn sample(seq: u64) -> Record {
    let digest = |what: &str| Some(Digest::of(format!("{what} {seq}").as_bytes()));
    let text = |text: &str| Some(text.to_owned());
    Record {
        seq,
        time: Timestamp(1_790_000_000_000 + i64::try_from(seq).unwrap_or(0) * 7),
        kind: "decision".to_owned(),
        decision_id: Some(format!("dec_{seq:026}")),
        task: Some(format!("task_{:026}", seq / 50)),
        run: Some(format!("run_{:026}", seq / 50)),
        agent: text("triage"),
        initiator: text("ada"),
        chain: vec!["ada".to_owned(), "triage".to_owned()],
        tool: text("tracker/create_issue"),
        class: text("write"),
        resource: Some(format!("tracker:shop/issues/{seq} \"\u{20ac}\u{1f980}\"\n")),
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
