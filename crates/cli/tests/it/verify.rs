//! `remit verify EXPORT`: offline, no server, no home needed.

use std::path::PathBuf;

use remit_core::time::Timestamp;
use remit_ledger::export::ExportWriter;
use remit_ledger::note::{Ed25519Signer, KeyName};
use remit_ledger::record::Record;
use remit_ledger::tree::Frontier;
use remit_ledger::{Checkpoint, SignedCheckpoint, leaf_hash};

use crate::house::{House, read};

const ORIGIN: &str = "remit.test/ledger";

struct Log {
    leaves: Vec<Vec<u8>>,
    signer: Ed25519Signer,
}

impl Log {
    fn new(records: u64) -> Self {
        let leaves = (0..records).map(|seq| {
            let record = Record {
                seq,
                time: Timestamp(1_795_212_245_000 + i64::try_from(seq).unwrap()),
                kind: "decision".to_owned(),
                tool: Some(format!("fs/tool{seq}")),
                ..Record::default()
            };
            record.encode().unwrap()
        });
        Self {
            leaves: leaves.collect(),
            signer: Ed25519Signer::from_seed(KeyName::new(ORIGIN).unwrap(), &[7; 32]).unwrap(),
        }
    }

    fn head(&self, size: usize) -> SignedCheckpoint {
        let mut tree = Frontier::new();
        tree.extend(self.leaves[..size].iter().map(|leaf| leaf_hash(leaf)))
            .unwrap();
        Checkpoint::new(ORIGIN, size as u64, tree.root())
            .sign(&self.signer)
            .unwrap()
    }

    fn export(&self, house: &House, name: &str, size: usize) -> PathBuf {
        let head = self.head(size);
        let mut writer =
            ExportWriter::new(Vec::new(), self.signer.verifier(), &Frontier::new(), &head).unwrap();
        for leaf in &self.leaves[..size] {
            writer.record(leaf, leaf_hash(leaf)).unwrap();
        }
        let path = house.work(name);
        std::fs::write(&path, writer.finish().unwrap()).unwrap();
        path
    }
}

#[test]
fn an_export_verifies_and_a_flipped_byte_is_found_in_its_place() {
    let house = House::new();
    let log = Log::new(300);
    let path = log.export(&house, "export", 300);
    let key = log.signer.verifier().to_string();
    let said = house.run(&["verify", "export", "--key", &key]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(said.out.starts_with("verified · 300 records"), "{said:?}");
    let report = house.run(&["verify", "export", "--json"]).object();
    assert_eq!(
        (&report["ok"], &report["records"], &report["key_known"]),
        (&true.into(), &300.into(), &false.into())
    );

    std::fs::write(&path, read(&path).replace("fs/tool271\"", "fs/tool27I\"")).unwrap();
    let said = house.run(&["verify", "export", "--json"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    let report = &said.lines()[0];
    assert_eq!(report["ok"], false);
    assert_eq!(
        (
            &report["findings"][0]["kind"],
            &report["findings"][0]["seq"],
            &report["findings"][0]["to"]
        ),
        (&"edited".into(), &271.into(), &271.into())
    );
    let said = house.run(&["verify", "export"]);
    assert!(said.out.contains("record 271 is not what was signed"), "{said:?}");
}

#[test]
fn a_truncated_log_is_found_by_a_checkpoint_kept_elsewhere() {
    let house = House::new();
    let log = Log::new(20);
    std::fs::write(house.work("held"), log.head(20).to_string()).unwrap();
    // Signed anew with the same key, as only its owner could.
    log.export(&house, "short", 12);
    assert_eq!(house.run(&["verify", "short"]).status, Some(0));
    let said = house.run(&["verify", "short", "--checkpoint", "held"]);
    assert_eq!(said.status, Some(1), "{said:?}");
    assert!(said.out.contains("records up to 19 were signed"), "{said:?}");
    log.export(&house, "whole", 20);
    let said = house.run(&["verify", "whole", "--checkpoint", "held"]);
    assert_eq!(said.status, Some(0), "{said:?}");
    assert!(said.out.contains("1 checkpoint of yours"), "{said:?}");
}

#[test]
fn what_is_no_export_is_refused_with_a_sentence() {
    let house = House::new();
    std::fs::write(house.work("letter"), "dear reader\n").unwrap();
    let log = Log::new(3);
    log.export(&house, "export", 3);
    let other = Ed25519Signer::from_seed(KeyName::new(ORIGIN).unwrap(), &[8; 32]).unwrap();
    for (args, want) in [
        (vec!["verify", "letter"], "not the header of an export"),
        (vec!["verify", "missing"], "cannot open `missing`"),
        (
            vec!["verify", "export", "--checkpoint", "letter"],
            "the held checkpoint cannot be used",
        ),
        (
            vec!["verify", "export", "--key", &other.verifier().to_string()],
            "the export is of key",
        ),
    ] {
        let said = house.run(&args);
        assert_eq!(said.status, Some(1), "{args:?}: {said:?}");
        assert!(said.err.contains(want), "{args:?}: {said:?}");
    }
}
