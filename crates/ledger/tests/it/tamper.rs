//! Whatever is done to a log under a held checkpoint is found, and found where it was done.

use remit_ledger::verify::{Finding, Kind, Report};

use crate::log::{Dice, Log, ORIGIN, row, signer};
use crate::mutate::{Done, Setting, WAYS, mutate};

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
fn ten_thousand_mutations_are_found_and_located() {
    let part = |thread| {
        (0..2_625_u64)
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
