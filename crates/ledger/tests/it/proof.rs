//! `.tlog-proof` files: one record proved offline.

use std::convert::Infallible;

use remit_ledger::tree::prove_inclusion;
use remit_ledger::{Hash, LogProof, LogProofError, SignedCheckpoint};

use crate::log::{Log, ORIGIN, row, signer};

fn proofs(count: u64) -> (Log, SignedCheckpoint, Vec<LogProof>) {
    let log = Log::build(
        (0..count).map(|seq| row(seq, "a")).collect(),
        &[count],
        &signer(1),
    );
    let keys = [signer(1).verifier().clone()];
    let head = SignedCheckpoint::verify(log.checkpoints[0].as_bytes(), ORIGIN, &keys).unwrap();
    let read = |indexes: &[u64]| {
        let one = |&index: &u64| log.hashes[usize::try_from(index).unwrap()].unwrap();
        Ok::<Vec<Hash>, Infallible>(indexes.iter().map(one).collect())
    };
    let proofs = (0..count)
        .map(|seq| {
            let hashes = prove_inclusion(seq, count, read).unwrap();
            LogProof::new(&log.rows[usize::try_from(seq).unwrap()], seq, hashes, &head)
        })
        .collect();
    (log, head, proofs)
}

#[test]
fn every_record_is_proved_by_its_file_alone() {
    let keys = [signer(1).verifier().clone()];
    for count in [1, 2, 7, 64, 65] {
        let (log, head, proofs) = proofs(count);
        for (row, proof) in log.rows.iter().zip(&proofs) {
            let file = proof.to_string();
            let read = LogProof::parse(file.as_bytes()).unwrap();
            assert_eq!(&read, proof);
            assert_eq!(
                read.verify_carried(ORIGIN, &keys).unwrap(),
                (row.as_slice(), head.clone())
            );
            let bare = LogProof::parse(read.without_record().to_string().as_bytes()).unwrap();
            assert_eq!(bare.verify(row, ORIGIN, &keys).unwrap(), head);
            assert_eq!(bare.verify_carried(ORIGIN, &keys), Err(LogProofError::NoRecord));
            assert!(matches!(
                bare.verify(b"other", ORIGIN, &keys),
                Err(LogProofError::Inclusion { .. })
            ));
        }
    }
}

#[test]
fn no_changed_byte_is_believed() {
    let keys = [signer(1).verifier().clone()];
    let (_, _, proofs) = proofs(13);
    let file = proofs[6].to_string();
    for at in 0..file.len() {
        for bit in [0, 2, 5] {
            let mut bytes = file.clone().into_bytes();
            bytes[at] ^= 1 << bit;
            let believed =
                LogProof::parse(&bytes).is_ok_and(|proof| proof.verify_carried(ORIGIN, &keys).is_ok());
            assert!(!believed, "byte {at}, bit {bit}");
        }
        let mut bytes = file.clone().into_bytes();
        bytes.remove(at);
        let believed = LogProof::parse(&bytes).is_ok_and(|proof| proof.verify_carried(ORIGIN, &keys).is_ok());
        assert!(!believed, "byte {at} removed");
    }
}

#[test]
fn the_form_is_strict() {
    let (_, _, proofs) = proofs(2);
    let file = proofs[1].to_string();
    for bad in [
        file.replace("@v1", "@v2"),
        file.replace("index 1", "index 01"),
        file.replace("index 1", "index +1"),
        file.replace("index 1\n", ""),
        file.replace("extra ", "extra  "),
        file.replace("index", "other x\nindex"),
        file.replace('\n', "\r\n"),
        format!("\n{file}"),
        format!(
            "{}\n\nx",
            "c2sp.org/tlog-proof@v1\nindex 0\n".to_owned() + &format!("{}\n", Hash([0; 32])).repeat(64)
        ),
        "x".repeat(1 << 20),
    ] {
        assert!(
            matches!(LogProof::parse(bad.as_bytes()), Err(LogProofError::Malformed(_))),
            "{bad:.80}"
        );
    }
}
