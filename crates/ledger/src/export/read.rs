//! Verifying an export as it streams by.

use std::io::{BufRead, BufReader, Read};

use super::line::{Bundle, Header, PREFIX};
use super::{ExportError, LINE_BYTES_MAX};
use crate::note::VerifierKey;
use crate::verify::{Report, Verifier};

/// What the reader knows of the log from elsewhere.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// The key the log must be signed with. Without it the export's own key is used, which proves only that the
    /// export fits itself (and the held checkpoints).
    pub key: Option<VerifierKey>,
    /// The log it must be.
    pub origin: Option<String>,
    /// Checkpoints kept outside, each a signed note.
    pub held: Vec<Vec<u8>>,
}

/// What an export proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// The log.
    pub origin: String,
    /// The key its heads are signed with.
    pub key: VerifierKey,
    /// Whether that key was known from elsewhere.
    pub key_known: bool,
    /// What was found.
    pub report: Report,
}

/// Verifies an export: reads it once, keeps one line and O(log n) hashes.
///
/// # Errors
/// When it is not an export of the log asked for, or reading fails. Damage is not an error but a finding.
pub fn verify(input: impl Read, trust: &Trust) -> Result<ExportReport, ExportError> {
    let mut lines = Lines {
        input: BufReader::with_capacity(256 * 1024, input),
        line: Vec::new(),
        number: 0,
    };
    if !lines.next()? {
        return Err(ExportError::Header("the export is empty".to_owned()));
    }
    let header = Header::parse(lines.line()).map_err(ExportError::Header)?;
    expect("log", trust.origin.as_deref(), &header.origin)?;
    let want = trust.key.as_ref().map(ToString::to_string);
    expect("key", want.as_deref(), &header.key.to_string())?;
    let keys = [header.key.clone()];
    let mut verifier = Verifier::starting_at(&header.origin, &keys, &header.start);
    verifier.sealed_by(header.head.as_bytes());
    for held in &trust.held {
        verifier.hold(held).map_err(ExportError::Held)?;
    }
    let mut announced = header.start.size();
    while lines.next()? {
        if !lines.ended() {
            verifier.damaged(format!("line {} has no newline", lines.number));
        }
        if !lines.line().starts_with(PREFIX) {
            verifier.record(lines.line());
            continue;
        }
        match Bundle::parse(lines.line()) {
            Ok(bundle) => {
                for note in &bundle.checkpoints {
                    verifier.checkpoint(note.as_bytes());
                }
                if bundle.first != announced {
                    let why = format!("leaf hashes from {} on where {announced} is next", bundle.first);
                    verifier.damaged(format!("line {}: {why}", lines.number));
                }
                verifier.leaf_hashes(bundle.first, &bundle.leaves);
                announced = bundle.first.saturating_add(bundle.leaves.len() as u64);
            }
            Err(why) => verifier.damaged(format!("line {}: {why}", lines.number)),
        }
    }
    if announced < verifier.size() {
        verifier.damaged(format!(
            "there are leaf hashes for the records below {announced} only"
        ));
    }
    let report = verifier.finish();
    Ok(ExportReport {
        origin: header.origin,
        key: header.key,
        key_known: trust.key.is_some(),
        report,
    })
}

fn expect(what: &'static str, want: Option<&str>, got: &str) -> Result<(), ExportError> {
    match want {
        Some(want) if want != got => Err(ExportError::Other {
            what,
            want: want.to_owned(),
            got: got.to_owned(),
        }),
        _ => Ok(()),
    }
}

struct Lines<R> {
    input: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> Lines<R> {
    /// Reads the next line; false at the end.
    fn next(&mut self) -> Result<bool, ExportError> {
        self.line.clear();
        self.number += 1;
        let mut bounded = (&mut self.input).take(LINE_BYTES_MAX as u64);
        let read = bounded.read_until(b'\n', &mut self.line)?;
        if read == LINE_BYTES_MAX && !self.ended() {
            return Err(ExportError::LineTooLong(self.number));
        }
        Ok(read > 0)
    }

    fn ended(&self) -> bool {
        self.line.last() == Some(&b'\n')
    }

    /// The line without its newline.
    fn line(&self) -> &[u8] {
        self.line.strip_suffix(b"\n").unwrap_or(&self.line)
    }
}
