//! Verification of the live ledger: every record against the tree, every checkpoint against its signature, columns
//! against leaves, and one checkpoint from outside when somebody holds one.

use std::sync::Arc;

use remit_ledger::Hash;
use remit_ledger::verify::{Report, Verifier};
use remit_store::tree::{StoredCheckpoint, checkpoint_over};
use remit_store::{StoreError, records};

use super::checkpoint::{origin, sign, verifier};
use crate::app::{App, Failure};

/// Records read in one go.
const BATCH: u32 = 4096;

/// What verification found.
#[derive(Debug)]
pub struct Verified {
    /// What the ledger itself says.
    pub report: Report,
    /// Records whose columns or index say something else than their leaf.
    pub columns: Vec<String>,
}

impl Verified {
    /// True when nothing was found.
    #[must_use]
    pub const fn is_ok(&self) -> bool {
        self.report.is_ok() && self.columns.is_empty()
    }
}

/// Verifies everything recorded so far.
///
/// # Errors
/// [`Failure::Invalid`] when `held` is not a checkpoint of this ledger; [`Failure::Unavailable`] when the store cannot
/// be read.
pub async fn verify(app: &Arc<App>, held: Option<String>) -> Result<Verified, Failure> {
    sign(app).await?;
    let mut verifier = Verifier::new(&origin(app), &[verifier(app)?]);
    if let Some(held) = held {
        verifier.hold(held.as_bytes()).map_err(|error| {
            Failure::invalid(format!(
                "the checkpoint you hold is not one of this ledger: {error}"
            ))
        })?;
    }
    app.store.read(move |conn| whole(conn, verifier)).await
}

/// Feeds a verifier everything a ledger has.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be read.
pub(super) fn whole(conn: &mut remit_store::Conn, mut verifier: Verifier) -> Result<Verified, Failure> {
    feed_checkpoints(conn, &mut verifier)?;
    let mut columns = Vec::new();
    let mut from = 0;
    let mut fed = 0;
    loop {
        fed = feed_hashes(conn, &mut verifier, fed, from + u64::from(BATCH))?;
        let batch = records::range(conn, from, BATCH)?;
        let Some(last) = batch.last() else { break };
        from = last.seq + 1;
        for record in &batch {
            verifier.record(&record.leaf);
            if let Err(StoreError::Tampered { why, .. }) = records::check(conn, record.seq) {
                columns.push(format!("record {}: {why}", record.seq));
            }
        }
    }
    Ok(Verified {
        report: verifier.finish(),
        columns,
    })
}

fn feed_checkpoints(conn: &mut remit_store::Conn, verifier: &mut Verifier) -> Result<(), Failure> {
    let mut after = 0;
    while let Some(StoredCheckpoint { size, note, .. }) = checkpoint_over(conn, after)? {
        verifier.checkpoint(note.as_bytes());
        after = size;
    }
    Ok(())
}

/// Feeds stored hashes from index `fed` on, enough for the first `leaves` leaves; answers the next index.
fn feed_hashes(
    conn: &mut remit_store::Conn,
    verifier: &mut Verifier,
    fed: u64,
    leaves: u64,
) -> Result<u64, Failure> {
    const PAGE: u64 = 256;
    let stored = remit_store::tree::count(conn)?;
    let until = (leaves * 2).min(stored);
    let mut at = fed;
    while at < until {
        let end = (at + PAGE).min(stored);
        let indexes: Vec<u64> = (at..end).collect();
        let hashes: Vec<Hash> = remit_store::tree::hashes(conn, &indexes)?;
        verifier.stored_hashes(at, &hashes);
        at = end;
    }
    Ok(at)
}
