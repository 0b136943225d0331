//! Exports: written, read by a stranger, and damaged in every way a file can be.

use std::io::Read;

use remit_ledger::export::{self, ExportError, ExportWriter, Trust};
use remit_ledger::tree::{Frontier, stored_hash_index};
use remit_ledger::verify::Kind;
use remit_ledger::{Hash, SignedCheckpoint, leaf_hash};

use crate::log::{Dice, Log, ORIGIN, row, signer};

fn checkpoints(log: &Log) -> Vec<SignedCheckpoint> {
    let key = signer(1).verifier().clone();
    let read = |note: &String| SignedCheckpoint::verify(note.as_bytes(), ORIGIN, std::slice::from_ref(&key));
    log.checkpoints.iter().map(|note| read(note).unwrap()).collect()
}

/// The export of `log` from record `first` on.
fn write(log: &Log, first: u64) -> Vec<u8> {
    let heads = checkpoints(log);
    let stored = |seq: u64| log.hashes[usize::try_from(stored_hash_index(0, seq)).unwrap()].unwrap();
    let mut start = Frontier::new();
    start.extend((0..first).map(stored)).unwrap();
    let mut writer =
        ExportWriter::new(Vec::new(), signer(1).verifier(), &start, heads.last().unwrap()).unwrap();
    for seq in first..log.signed() {
        writer
            .record(&log.rows[usize::try_from(seq).unwrap()], stored(seq))
            .unwrap();
        heads
            .iter()
            .filter(|head| head.size() == seq + 1)
            .for_each(|head| writer.checkpoint(head));
    }
    writer.finish().unwrap()
}

fn known() -> Trust {
    Trust {
        key: Some(signer(1).verifier().clone()),
        origin: Some(ORIGIN.to_owned()),
        held: Vec::new(),
    }
}

/// Hands out a few bytes at a time.
struct Trickle<'a>(&'a [u8]);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let len = buffer.len().min(7);
        self.0.read(&mut buffer[..len])
    }
}

#[test]
fn exports_of_whole_logs_and_of_parts_verify() {
    let mut dice = Dice(3);
    for count in [1, 2, 255, 256, 257, 511, 512, 513, 700] {
        let log = Log::random(count, 0, &mut dice);
        for first in [0, count as u64 / 3, count as u64 / 2, count as u64 - 1] {
            let export = write(&log, first);
            let found = export::verify(Trickle(&export), &known()).unwrap();
            assert!(
                found.report.is_ok(),
                "{count} from {first}: {:?}",
                found.report.findings
            );
            assert_eq!(found.report.records, count as u64 - first);
            assert_eq!(
                found.report.head.as_ref().map(SignedCheckpoint::size),
                Some(count as u64)
            );
            assert_eq!((found.origin.as_str(), found.key_known), (ORIGIN, true));
            let inside = log.sizes.iter().filter(|&&size| size > first).count() as u64;
            assert_eq!(
                found.report.checkpoints, inside,
                "all checkpoints inside came along"
            );
        }
    }
}

#[test]
fn every_record_line_is_the_leaf_and_nothing_else() {
    let log = Log::random(300, 0, &mut Dice(1));
    let export = write(&log, 0);
    let text = String::from_utf8(export).unwrap();
    let leaves: Vec<&[u8]> = text
        .lines()
        .filter(|line| !line.starts_with("{\"remit\":"))
        .map(str::as_bytes)
        .collect();
    assert_eq!(leaves, log.rows);
    assert_eq!(
        text.lines().count(),
        300 + 1 + 2,
        "a header and a line per 256 records"
    );
}

#[test]
fn any_damage_to_an_export_is_found() {
    let mut dice = Dice(11);
    let log = Log::build(
        (0..300).map(|seq| row(seq, "a")).collect(),
        &[100, 256, 290, 300],
        &signer(1),
    );
    for first in [0, 130] {
        let whole = write(&log, first);
        for number in 0..600 {
            let mut export = whole.clone();
            let at = dice.roll(export.len());
            match number % 6 {
                0 | 1 => export[at] ^= 1 << dice.roll(8),
                2 => drop(export.remove(at)),
                3 => export.insert(at, b" {}\"0\n\r,"[dice.roll(8)]),
                4 => export.truncate(at),
                _ => {
                    let mut lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
                    let (a, b) = (dice.roll(lines.len()), dice.roll(lines.len()));
                    match dice.roll(3) {
                        0 if a != b => lines.swap(a, b),
                        1 => lines.insert(a, lines[b]),
                        _ => drop(lines.remove(a)),
                    }
                    export = lines.concat();
                }
            }
            if export == whole {
                continue;
            }
            let outcome = export::verify(export.as_slice(), &known());
            let fine = outcome.as_ref().is_ok_and(|found| found.report.is_ok());
            assert!(!fine, "{first}, {number}, byte {at} ({}): {outcome:?}", whole[at]);
        }
    }
}

#[test]
fn a_dropped_record_is_named() {
    let log = Log::build((0..300).map(|seq| row(seq, "a")).collect(), &[300], &signer(1));
    let export = write(&log, 0);
    let line = log.rows[200].as_slice();
    let lines: Vec<&[u8]> = export.split_inclusive(|&byte| byte == b'\n').collect();
    let without: Vec<&[u8]> = lines
        .iter()
        .copied()
        .filter(|l| l.strip_suffix(b"\n") != Some(line))
        .collect();
    let found = export::verify(without.concat().as_slice(), &known()).unwrap();
    let places: Vec<_> = found
        .report
        .findings
        .iter()
        .map(|f| (f.kind, f.from, f.to))
        .collect();
    assert_eq!(places, [(Kind::Missing, 200, 200)]);
    let cut = lines[..lines.len() - 5].concat();
    let found = export::verify(cut.as_slice(), &known()).unwrap();
    let places: Vec<_> = found
        .report
        .findings
        .iter()
        .map(|f| (f.kind, f.from, f.to))
        .collect();
    assert_eq!(places, [(Kind::Truncated, 295, 299)]);
}

#[test]
fn rows_changed_in_the_store_show_in_its_export() {
    let mut log = Log::build((0..300).map(|seq| row(seq, "a")).collect(), &[300], &signer(1));
    log.rows[77] = row(77, "forged");
    let found = export::verify(write(&log, 0).as_slice(), &known()).unwrap();
    let places: Vec<_> = found
        .report
        .findings
        .iter()
        .map(|f| (f.kind, f.from, f.to))
        .collect();
    assert_eq!(places, [(Kind::Edited, 77, 77)]);
}

#[test]
fn what_the_reader_knows_decides() {
    let log = Log::build((0..10).map(|seq| row(seq, "a")).collect(), &[5, 10], &signer(1));
    let export = write(&log, 0);
    let stranger = export::verify(export.as_slice(), &Trust::default()).unwrap();
    assert!(stranger.report.is_ok() && !stranger.key_known);
    let other_key = Trust {
        key: Some(signer(2).verifier().clone()),
        ..Trust::default()
    };
    assert!(matches!(
        export::verify(export.as_slice(), &other_key),
        Err(ExportError::Other { what: "key", .. })
    ));
    let other_log = Trust {
        origin: Some("other".to_owned()),
        ..Trust::default()
    };
    assert!(matches!(
        export::verify(export.as_slice(), &other_log),
        Err(ExportError::Other { what: "log", .. })
    ));

    let longer = Log::build((0..20).map(|seq| row(seq, "a")).collect(), &[20], &signer(1));
    let held = Trust {
        held: vec![longer.checkpoints[0].clone().into_bytes()],
        ..known()
    };
    let found = export::verify(export.as_slice(), &held).unwrap();
    assert_eq!(found.report.findings[0].kind, Kind::Truncated);
    let rewritten = Log::build((0..10).map(|seq| row(seq, "b")).collect(), &[5], &signer(1));
    let held = Trust {
        held: vec![rewritten.checkpoints[0].clone().into_bytes()],
        ..known()
    };
    let found = export::verify(export.as_slice(), &held).unwrap();
    assert_eq!(found.report.findings[0].kind, Kind::Contradiction);
    let garbage = Trust {
        held: vec![b"garbage".to_vec()],
        ..known()
    };
    assert!(matches!(
        export::verify(export.as_slice(), &garbage),
        Err(ExportError::Held(_))
    ));
}

#[test]
fn what_is_no_export_is_an_error_and_costs_little() {
    for bad in [
        &b""[..],
        b"\n",
        b"{}",
        b"garbage\n",
        b"{\"remit\":{\"export\":{}}}\n",
    ] {
        assert!(matches!(
            export::verify(bad, &known()),
            Err(ExportError::Header(_))
        ));
    }
    let endless = std::io::repeat(b'x');
    assert!(matches!(
        export::verify(endless, &known()),
        Err(ExportError::LineTooLong(1))
    ));
}

#[test]
fn a_few_lines_cannot_claim_all_memory() {
    let log = Log::build((0..3).map(|seq| row(seq, "a")).collect(), &[3], &signer(1));
    let mut export = write(&log, 0);
    for far in 1..2_000_u64 {
        let leaves = Hash([0; 32]).to_string();
        let line = format!(
            r#"{{"remit":{{"bundle":{{"first":{},"leaves":"{leaves}"}}}}}}"#,
            far * 1_000_000
        );
        export.extend_from_slice(line.as_bytes());
        export.push(b'\n');
    }
    let found = export::verify(export.as_slice(), &known()).unwrap();
    assert!(
        found.report.more > 0,
        "each line is a finding, few are listed: {}",
        found.report.findings.len()
    );
    assert!(
        found
            .report
            .findings
            .iter()
            .any(|finding| finding.kind == Kind::StoredHash)
    );
}

#[test]
fn the_writer_refuses_what_would_not_verify() {
    let log = Log::build((0..3).map(|seq| row(seq, "a")).collect(), &[3], &signer(1));
    let heads = checkpoints(&log);
    let mut writer =
        ExportWriter::new(Vec::new(), signer(1).verifier(), &Frontier::new(), &heads[0]).unwrap();
    writer.record(&log.rows[0], leaf_hash(&log.rows[0])).unwrap();
    assert!(matches!(
        writer.record(b"a\nb", Hash([0; 32])),
        Err(ExportError::LineBreak(1))
    ));
    assert!(matches!(
        writer.finish(),
        Err(ExportError::Count { want: 3, got: 1 })
    ));
}
