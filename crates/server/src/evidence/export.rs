//! Export: the ledger as a file a stranger can verify offline.

use std::sync::Arc;

use remit_ledger::SignedCheckpoint;
use remit_ledger::export::ExportWriter;
use remit_ledger::tree::{Frontier, stored_hash_index};
use remit_store::records;
use remit_store::tree::{checkpoint_over, hashes};

use super::checkpoint::{origin, sign, verifier};
use crate::app::{App, Failure};

/// Records read in one go.
const BATCH: u32 = 1024;

/// Writes everything up to a fresh checkpoint.
///
/// # Errors
/// [`Failure::Unavailable`] when the store cannot be read or `out` not written.
pub async fn export<W: std::io::Write + Send + 'static>(app: &Arc<App>, out: W) -> Result<W, Failure> {
    let note = sign(app).await?;
    let key = verifier(app)?;
    let origin = origin(app);
    app.store
        .read(move |conn| -> Result<W, Failure> {
            let keys = [key];
            let signed = |note: &str| {
                SignedCheckpoint::verify(note.as_bytes(), &origin, &keys).map_err(Failure::unavailable)
            };
            let head = signed(&note)?;
            let [key] = &keys;
            let mut writer =
                ExportWriter::new(out, key, &Frontier::new(), &head).map_err(Failure::unavailable)?;
            let mut next_checkpoint = checkpoint_over(conn, 0)?;
            let mut from = 0;
            while from < head.size() {
                let left = u32::try_from(head.size() - from).unwrap_or(BATCH).min(BATCH);
                let batch = records::range(conn, from, left)?;
                if batch.is_empty() {
                    return Err(Failure::Unavailable(format!(
                        "record {from} is missing: run `remit verify`"
                    )));
                }
                let indexes: Vec<u64> = batch
                    .iter()
                    .map(|record| stored_hash_index(0, record.seq))
                    .collect();
                let leaves = hashes(conn, &indexes)?;
                for (record, leaf) in batch.iter().zip(leaves) {
                    writer.record(&record.leaf, leaf).map_err(Failure::unavailable)?;
                    if let Some(checkpoint) = next_checkpoint.take_if(|c| c.size == record.seq + 1) {
                        if checkpoint.size < head.size() {
                            writer.checkpoint(&signed(&checkpoint.note)?);
                        }
                        next_checkpoint = checkpoint_over(conn, checkpoint.size)?;
                    }
                    from = record.seq + 1;
                }
            }
            writer.finish().map_err(Failure::unavailable)
        })
        .await
}
