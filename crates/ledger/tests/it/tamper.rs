//! Whatever is done to a log under a held checkpoint is found, and found where it was done.

use remit_ledger::tree::{stored_hash_index, stored_hash_position};
use remit_ledger::verify::{Finding, Kind, Report};
use remit_ledger::{Hash, leaf_hash};

use crate::log::{Dice, Log, ORIGIN, row, signer};

/// What a mutation did, and how closely it must be located.
struct Done {
    what: String,
    /// Records concerned, inclusive: a finding must cover or touch them.
    at: (u64, u64),
    /// Widest range a finding may name.
    within: (u64, u64),
    kinds: &'static [Kind],
}

/// Checkpoints held outside, and whether the verifier gets the stored hashes.
struct Setting {
    held: Vec<String>,
    hashes: bool,
}

/// What is wrong with how the change was reported, if anything.
fn check(case: u64, log: &Log, setting: &Setting, done: &Done) -> Option<String> {
    let report = log.verify(setting.hashes, &setting.held);
    let located = |finding: &&Finding| {
        let covers = finding.from <= done.at.1 && done.at.0 <= finding.to;
        let narrow = done.within.0 <= finding.from && finding.to <= done.within.1;
        covers && narrow && done.kinds.contains(&finding.kind)
    };
    if report.findings.iter().any(|finding| located(&finding)) {
        return None;
    }
    Some(format!(
        "case {case}: {} at {:?} within {:?}, hashes {}, checkpoints {:?} of {}: {:?}",
        done.what,
        done.at,
        done.within,
        setting.hashes,
        log.sizes,
        log.rows.len(),
        report.findings
    ))
}

/// The 14 ways to tamper.
const WAYS: u64 = 14;

fn mutate(way: u64, log: &mut Log, setting: &mut Setting, dice: &mut Dice) -> Done {
    let count = log.rows.len();
    let signed = usize::try_from(log.signed()).unwrap();
    let at = dice.roll(signed);
    let seq = at as u64;
    let (from, to) = log.segment(seq);
    let exact = |seq: u64| {
        if setting.hashes {
            (seq, seq)
        } else {
            (from, to - 1)
        }
    };
    let done = |what: &str, at, within, kinds| Done {
        what: what.to_owned(),
        at,
        within,
        kinds,
    };
    match way {
        0 => {
            let byte = dice.roll(log.rows[at].len());
            log.rows[at][byte] ^= 1 << dice.roll(8);
            // A changed `seq` can look like another row in this place: that is found as well.
            let near = (exact(seq).0.saturating_sub(1), exact(seq).1 + 1);
            done(
                "edit",
                (seq, seq),
                near,
                &[Kind::Edited, Kind::Changed, Kind::Extra, Kind::Missing],
            )
        }
        1 => {
            log.rows[at] = row(seq, "forged");
            done("replace", (seq, seq), exact(seq), &[Kind::Edited, Kind::Changed])
        }
        2 => {
            log.rows[at] = row(seq, "forged");
            let index = usize::try_from(stored_hash_index(0, seq)).unwrap();
            log.hashes[index] = Some(leaf_hash(&log.rows[at]));
            // The sibling cannot be told apart, except where the record stands alone at the checkpoint.
            let pair = if to % 2 == 1 && seq == to - 1 {
                (from, to - 1)
            } else {
                (seq & !1, seq | 1)
            };
            let within = if setting.hashes { pair } else { (from, to - 1) };
            done(
                "replace with its hash",
                (seq, seq),
                within,
                &[Kind::Edited, Kind::Changed],
            )
        }
        3 => {
            log.rows[at] = row(seq, "forged");
            log.rehash();
            done(
                "replace and rehash",
                (seq, seq),
                (from, to - 1),
                &[Kind::Edited, Kind::Changed],
            )
        }
        4 => {
            let many = dice.between(1, 6).min(signed - at);
            log.rows.drain(at..at + many);
            let last = seq + many as u64 - 1;
            // Without stored hashes, the last row can as well be taken for the first of these, changed.
            done(
                "delete",
                (seq, last),
                (seq, last),
                &[Kind::Missing, Kind::Truncated, Kind::Changed],
            )
        }
        5 => {
            let copy = log.rows[dice.roll(count)].clone();
            if log.rows[at] == copy || at > 0 && log.rows[at - 1] == copy {
                log.rows.insert(at, copy);
                return done("double", (seq, seq + 1), (seq, seq + 1), &[Kind::Extra]);
            }
            log.rows.insert(at, copy);
            done("insert a copy", (seq, seq), (seq, seq), &[Kind::Extra])
        }
        6 => {
            let forged = match dice.roll(3) {
                0 => row(seq, "forged"),
                1 => b"garbage".to_vec(),
                _ => row(dice.roll(2 * count) as u64, "forged"),
            };
            log.rows.insert(at, forged);
            let within = (exact(seq).0.min(seq), exact(seq).1.max(seq + 1));
            done(
                "insert a forgery",
                (seq, seq + 1),
                within,
                &[Kind::Extra, Kind::Edited, Kind::Changed],
            )
        }
        7 => {
            let other = dice.roll(signed);
            log.rows.swap(at, other);
            let (low, high) = (seq.min(other as u64), seq.max(other as u64));
            if low == high {
                log.rows.remove(at);
                return done(
                    "delete",
                    (seq, seq),
                    (seq, seq),
                    &[Kind::Missing, Kind::Truncated, Kind::Changed],
                );
            }
            let moved = &[
                Kind::OutOfOrder,
                Kind::Edited,
                Kind::Changed,
                Kind::Missing,
                Kind::Extra,
                Kind::Truncated,
            ];
            let wide = (log.segment(low).0, log.segment(high).1 - 1);
            done(
                "swap",
                (low, high),
                if setting.hashes { (low, high) } else { wide },
                moved,
            )
        }
        8 => {
            log.cut(seq);
            done(
                "cut rows, hashes and checkpoints",
                (seq, seq),
                (seq, count as u64),
                &[Kind::Truncated],
            )
        }
        9 => {
            log.rows.truncate(at);
            done("cut rows", (seq, seq), (seq, count as u64), &[Kind::Truncated])
        }
        10 => {
            // A rollback to an old backup that then went on differently, signed with the stolen key.
            setting.held = vec![log.checkpoints.last().unwrap().clone()];
            for seq in at..count {
                log.rows[seq] = row(seq as u64, "history rewritten");
            }
            log.rehash();
            log.resign(&signer(1), ORIGIN);
            done(
                "rewrite and sign",
                (seq, seq),
                (0, signed as u64 - 1),
                &[Kind::Contradiction],
            )
        }
        11 => {
            let index = dice.roll(usize::try_from(stored_hash_index(0, signed as u64 - 1)).unwrap() + 1);
            let (level, n) = stored_hash_position(index as u64);
            let range = (n << level, ((n + 1) << level) - 1);
            setting.hashes = true;
            log.hashes[index] = if dice.roll(2) == 0 {
                None
            } else {
                Some(Hash([9; 32]))
            };
            done("damage a stored hash", range, range, &[Kind::StoredHash])
        }
        12 => {
            let which = dice.roll(log.checkpoints.len());
            let mut bytes = log.checkpoints[which].clone().into_bytes();
            let byte = dice.roll(bytes.len());
            bytes[byte] = if bytes[byte] == b'x' { b'y' } else { b'x' };
            log.checkpoints[which] = String::from_utf8_lossy(&bytes).into_owned();
            let size = log.sizes[which];
            done(
                "edit a checkpoint",
                (0, size - 1),
                (0, signed as u64),
                &[Kind::Checkpoint],
            )
        }
        _ => {
            let last = log.checkpoints.len() - 1;
            match dice.roll(4) {
                0 => log.checkpoints[last] = log.checkpoints[0].clone(),
                1 => log.resign(&signer(2), ORIGIN),
                2 => log.resign(&signer(1), "other.example/log"),
                _ => log.checkpoints.truncate(last),
            }
            if last == 0 && log.checkpoints == setting.held {
                log.checkpoints.push(setting.held[0].clone());
            }
            done(
                "swap the head or its key",
                (0, signed as u64),
                (0, signed as u64),
                &[Kind::Checkpoint],
            )
        }
    }
}

/// One of many logs, mutated in one way.
fn case(number: u64) -> Option<String> {
    let mut dice = Dice(number);
    let count = dice.between(2, 160);
    let tail = dice.roll(count.min(9));
    let mut log = Log::random(count, tail, &mut dice);
    let held = vec![log.checkpoints.last().unwrap().clone()];
    let mut setting = Setting {
        held,
        hashes: dice.roll(4) > 0,
    };
    let done = mutate(number % WAYS, &mut log, &mut setting, &mut dice);
    check(number, &log, &setting, &done)
}

#[test]
fn twelve_thousand_mutations_are_found_and_located() {
    let part = |thread| {
        (0..3_000_u64)
            .filter_map(|number| case(number * 4 + thread))
            .take(5)
            .collect::<Vec<_>>()
    };
    let part = &part;
    let unlocated: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || part(thread))).collect();
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(unlocated.is_empty(), "{}", unlocated.join("\n"));
}

#[test]
fn untouched_logs_are_fine() {
    let mut dice = Dice(5);
    for count in 1..130 {
        let log = Log::random(count, dice.roll(count.min(9)), &mut dice);
        for hashes in [false, true] {
            let report = log.verify(hashes, &log.checkpoints);
            assert!(report.is_ok(), "{count}: {:?}", report.findings);
            let own = log.checkpoints.len() as u64;
            assert_eq!(
                (report.records, report.checkpoints, report.held),
                (count as u64, own, own)
            );
            assert_eq!(report.head.as_ref().map(|head| head.size()), Some(log.signed()));
            assert_eq!(report.tail, count as u64 - log.signed());
        }
    }
    let nothing = Log::build(Vec::new(), &[], &signer(1));
    let report = nothing.verify(true, &[]);
    assert!(report.is_ok() && report.head.is_none() && report.records == 0);
}

#[test]
fn the_tree_may_lag_behind_the_records() {
    let mut log = Log::build((0..40).map(|seq| row(seq, "a")).collect(), &[20], &signer(1));
    for sequenced in 20..=40_u64 {
        let mut lagging = log.clone();
        lagging
            .hashes
            .truncate(usize::try_from(remit_ledger::tree::stored_hash_count(sequenced)).unwrap());
        let report = lagging.verify(true, &[]);
        assert!(report.is_ok(), "sequenced {sequenced}: {:?}", report.findings);
        assert_eq!(report.tail, 20);
    }
    log.rows[33] = row(33, "forged");
    assert_eq!(only(&log.verify(true, &[])), (Kind::Unsigned, 33, 33));
}

#[test]
fn edits_are_named_with_their_byte_when_they_break_the_record() {
    let mut log = Log::build((0..10).map(|seq| row(seq, "a")).collect(), &[10], &signer(1));
    log.rows[4][2] = b'"';
    let report = log.verify(true, &[]);
    assert_eq!(only(&report), (Kind::Edited, 4, 4));
    assert!(
        report.findings[0].note.contains("byte 3"),
        "{}",
        report.findings[0]
    );
}

#[test]
fn several_changes_are_each_found() {
    let mut log = Log::build(
        (0..300).map(|seq| row(seq, "a")).collect(),
        &[100, 200, 300],
        &signer(1),
    );
    log.rows[17] = row(17, "forged");
    log.rows[150] = row(150, "forged");
    log.rows.remove(90);
    log.rows.swap(209, 210);
    let report = log.verify(true, &[]);
    let found: Vec<(Kind, u64)> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.from))
        .collect();
    assert_eq!(
        found,
        [
            (Kind::Edited, 17),
            (Kind::Missing, 90),
            (Kind::Edited, 150),
            (Kind::OutOfOrder, 211)
        ]
    );
    assert_eq!(report.checkpoints, 3, "what is not touched still verifies");
}

#[test]
fn records_that_were_signed_wrong_are_the_writers_fault() {
    let mut rows: Vec<Vec<u8>> = (0..10).map(|seq| row(seq, "a")).collect();
    rows[3] = row(2, "a");
    rows[6] = b"{}".to_vec();
    rows[8] = String::from_utf8(row(8, "a"))
        .unwrap()
        .replace("17900", "16900")
        .into_bytes();
    let report = Log::build(rows, &[10], &signer(1)).verify(true, &[]);
    let found: Vec<(Kind, u64)> = report
        .findings
        .iter()
        .map(|finding| (finding.kind, finding.from))
        .collect();
    assert_eq!(
        found,
        [(Kind::Malformed, 3), (Kind::Malformed, 6), (Kind::ClockBack, 8)]
    );
}

#[test]
fn held_checkpoints_must_be_of_this_log() {
    let log = Log::build((0..4).map(|seq| row(seq, "a")).collect(), &[4], &signer(1));
    let other = Log::build((0..4).map(|seq| row(seq, "a")).collect(), &[4], &signer(2));
    let mut verifier = remit_ledger::verify::Verifier::new(ORIGIN, &[signer(1).verifier().clone()]);
    assert!(verifier.hold(other.checkpoints[0].as_bytes()).is_err());
    for row in &log.rows {
        verifier.record(row);
    }
    assert!(
        verifier.hold(log.checkpoints[0].as_bytes()).is_ok(),
        "in time: it covers the last record"
    );
    verifier.record(&row(4, "a"));
    assert!(verifier.hold(log.checkpoints[0].as_bytes()).is_err(), "too late");
}

fn only(report: &Report) -> (Kind, u64, u64) {
    let [finding] = report.findings.as_slice() else {
        panic!("expected one finding: {:?}", report.findings)
    };
    (finding.kind, finding.from, finding.to)
}
