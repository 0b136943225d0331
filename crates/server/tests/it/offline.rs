//! A data folder verifies without an engine, as it lies there.

use std::path::Path;
use std::time::Duration;

use remit_server::evidence::checkpoint;
use remit_server::evidence::offline::verify;
use serde_json::json;

use crate::house::House;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(entry.file_name()));
        } else {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Replaces bytes wherever they are in a file; true when they were there.
fn replace(file: &Path, from: &[u8], to: &[u8]) -> bool {
    let mut bytes = std::fs::read(file).unwrap();
    let places: Vec<usize> = (0..bytes.len().saturating_sub(from.len()))
        .filter(|at| bytes[*at..].starts_with(from))
        .collect();
    for at in &places {
        bytes[*at..*at + to.len()].copy_from_slice(to);
    }
    std::fs::write(file, bytes).unwrap();
    !places.is_empty()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_folder_and_its_copy_verify_and_a_changed_byte_is_found() {
    let house = House::open("20ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    house
        .call(&task.token, "read_file", json!({"path": "/srv/repo/original"}))
        .await;
    let key = checkpoint::verifier(house.app()).unwrap();
    let data = house.folder.join("data");
    house.running.stop(Duration::from_secs(5)).await;

    let before = std::fs::read(data.join("remit.db")).unwrap();
    let whole = verify(&data, None, &[]).unwrap();
    assert!(whole.is_ok(), "{whole:?}");
    assert_eq!(
        whole.rows.as_deref(),
        Some(&[][..]),
        "rows that grant are checked too"
    );
    assert_eq!(whole.key.to_string(), key.to_string());
    assert!(whole.verified.report.records > 5 && whole.verified.report.checkpoints > 0);
    assert_eq!(
        std::fs::read(data.join("remit.db")).unwrap(),
        before,
        "nothing was changed"
    );

    let alone = house.folder.join("copy");
    copy(&data, &alone);
    std::fs::remove_dir_all(alone.join("keys")).unwrap();
    assert!(
        verify(&alone, None, &[])
            .unwrap_err()
            .to_string()
            .contains("--key")
    );
    let looked = verify(&alone, Some(key.clone()), &[]).unwrap();
    assert!(looked.is_ok() && looked.rows.is_none(), "{looked:?}");

    let store = alone.join("remit.db");
    assert!(
        replace(&store, b"/srv/repo/original", b"/srv/repo/0riginal"),
        "the record is in the store"
    );
    let looked = verify(&alone, Some(key), &[]).unwrap();
    assert!(!looked.is_ok());
    let report = &looked.verified.report;
    assert!(
        report
            .findings
            .iter()
            .any(|finding| finding.to_string().contains("record"))
            || !looked.verified.columns.is_empty(),
        "{looked:?}"
    );
    let nothing = verify(&house.folder.join("nowhere"), None, &[]).unwrap_err();
    assert!(nothing.to_string().contains("no store at"), "{nothing}");
}
