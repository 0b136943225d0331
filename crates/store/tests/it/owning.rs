//! Whose database it is: one owner, our application, not from a newer version.

use remit_store::{OpenError, Store};

use crate::bed::Bed;
use crate::make;
use crate::on_both;

on_both! {
    a_second_opener_is_told
    a_newer_database_is_refused
    a_migration_of_another_build_is_refused
    a_closed_store_refuses_and_lets_go
}

fn a_second_opener_is_told(bed: &Bed) {
    let store = bed.open();
    match bed.try_open() {
        Err(OpenError::InUse { owner, .. }) => {
            assert!(owner.is_none() || owner == Some(std::process::id()));
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("two owners"),
    }
    store.append_blocking(make::record("note"), |_| Ok(())).unwrap();
    drop(store);
    drop(bed.open());
}

fn a_newer_database_is_refused(bed: &Bed) {
    drop(bed.open());
    let checksum = match &bed.location {
        remit_store::Location::Sqlite(_) => "X'00'",
        remit_store::Location::Postgres(_) => "'\\x00'::bytea",
    };
    bed.tamper(&format!(
        "INSERT INTO migrations (number, name, checksum) VALUES (99, '0099_later', {checksum})"
    ));
    assert!(matches!(bed.try_open(), Err(OpenError::Newer { .. })));
}

fn a_migration_of_another_build_is_refused(bed: &Bed) {
    drop(bed.open());
    bed.tamper("UPDATE migrations SET name = '0001_other'");
    assert!(matches!(
        bed.try_open(),
        Err(OpenError::Migration { name: "0001_first" })
    ));
}

fn a_closed_store_refuses_and_lets_go(bed: &Bed) {
    let store = bed.open();
    let other = store.clone();
    store.close();
    let refused = other.append_blocking(make::record("note"), |_| Ok(()));
    assert!(matches!(refused, Err(remit_store::AppendError::Unavailable(_))));
    drop((store, other));
    drop(bed.open());
}

#[test]
fn a_database_of_something_else_is_refused() {
    let bed = Bed::sqlite();
    bed.tamper("CREATE TABLE other (x); PRAGMA application_id = 7;");
    assert!(matches!(
        bed.try_open(),
        Err(OpenError::OtherApplication { id: 7, .. })
    ));
    let bed = Bed::sqlite();
    bed.tamper("CREATE TABLE other (x);");
    assert!(matches!(
        bed.try_open(),
        Err(OpenError::OtherApplication { id: 0, .. })
    ));
}

#[test]
fn the_files_are_ours_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let bed = Bed::sqlite();
    let store = bed.open();
    store.append_blocking(make::record("note"), |_| Ok(())).unwrap();
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let path = format!("{}{suffix}", bed.path().display());
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{path}");
    }
}

fn _store_is_shared_between_threads(store: Store) -> impl Send + Sync + Clone {
    store
}
