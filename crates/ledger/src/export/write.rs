//! Writing an export, record by record.

use std::io::Write;

use super::line::{Bundle, Header};
use super::{BUNDLE, ExportError};
use crate::checkpoint::SignedCheckpoint;
use crate::hash::Hash;
use crate::note::VerifierKey;
use crate::tree::Frontier;

/// Writes an export; holds up to 256 records in memory.
pub struct ExportWriter<W: Write> {
    out: W,
    head: SignedCheckpoint,
    next: u64,
    first: u64,
    bundle: Bundle,
    lines: Vec<u8>,
}

impl<W: Write> ExportWriter<W> {
    /// Begins an export of the records after `start` up to `head`, and writes its header.
    ///
    /// # Errors
    /// When writing fails.
    pub fn new(
        mut out: W,
        key: &VerifierKey,
        start: &Frontier,
        head: &SignedCheckpoint,
    ) -> Result<Self, ExportError> {
        let header = Header {
            origin: head.checkpoint().origin.clone(),
            key: key.clone(),
            start: start.clone(),
            head: head.to_string(),
        };
        out.write_all(&header.to_line())?;
        out.write_all(b"\n")?;
        let (first, next) = (start.size(), start.size());
        Ok(Self {
            out,
            head: head.clone(),
            next,
            first,
            bundle: Bundle::default(),
            lines: Vec::new(),
        })
    }

    /// Writes the next record with its *stored* leaf hash, so that a row changed in the store shows in the export.
    ///
    /// # Errors
    /// When writing fails, or the leaf has a line break.
    pub fn record(&mut self, leaf: &[u8], stored: Hash) -> Result<(), ExportError> {
        if leaf.contains(&b'\n') {
            return Err(ExportError::LineBreak(self.next));
        }
        if self.bundle.leaves.len() == BUNDLE {
            self.flush()?;
        }
        if self.bundle.leaves.is_empty() {
            self.bundle.first = self.next;
        }
        self.bundle.leaves.push(stored);
        self.lines.extend_from_slice(leaf);
        self.lines.push(b'\n');
        self.next += 1;
        Ok(())
    }

    /// Writes a checkpoint older than the head: right after the last record it covers.
    pub fn checkpoint(&mut self, checkpoint: &SignedCheckpoint) {
        if checkpoint.size() < self.head.size() && checkpoint.size() > self.first {
            self.bundle.checkpoints.push(checkpoint.to_string());
        }
    }

    /// Ends the export.
    ///
    /// # Errors
    /// When writing fails, or the head covers another number of records: the export then says so when verified.
    pub fn finish(mut self) -> Result<W, ExportError> {
        if !self.bundle.leaves.is_empty() {
            self.flush()?;
        }
        self.out.flush()?;
        if self.next == self.head.size() {
            Ok(self.out)
        } else {
            let (want, got) = (
                self.head.size().saturating_sub(self.first),
                self.next - self.first,
            );
            Err(ExportError::Count { want, got })
        }
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        self.out.write_all(&self.bundle.to_line())?;
        self.out.write_all(b"\n")?;
        self.out.write_all(&self.lines)?;
        self.bundle = Bundle::default();
        self.lines.clear();
        Ok(())
    }
}
