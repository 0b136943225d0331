//! The process dies, the disk fills: what was acknowledged is there, what was not leaves nothing half-done.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use remit_store::{AppendError, Location, StoreError, integrity, records};

use crate::bed::{Bed, Folder};
use crate::make;
use crate::on_both;

on_both! {
    nothing_acknowledged_is_lost_when_the_process_is_killed
}

/// `examples/writer.rs`, which `cargo test` builds.
fn writer() -> PathBuf {
    let deps = std::env::current_exe().unwrap();
    let path = deps.parent().unwrap().parent().unwrap().join("examples/writer");
    assert!(
        path.is_file(),
        "{} is missing: run `cargo test -p remit-store`, which builds it",
        path.display()
    );
    path
}

fn place(bed: &Bed) -> String {
    match &bed.location {
        Location::Sqlite(path) => path.display().to_string(),
        Location::Postgres(url) => url.clone(),
    }
}

fn check(place: &str, acks: &str) {
    let mut check = Command::new(writer())
        .args(["check", place])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    check.stdin.take().unwrap().write_all(acks.as_bytes()).unwrap();
    let done = check.wait_with_output().unwrap();
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
}

fn nothing_acknowledged_is_lost_when_the_process_is_killed(bed: &Bed) {
    let mut acks = String::new();
    for round in 1..=10_usize {
        let mut run = Command::new(writer())
            .args(["run", &place(bed), "8"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Killed after so many acknowledgements: what is under way then differs each time.
        let mut out = BufReader::new(run.stdout.take().unwrap());
        for _ in 0..round * 17 {
            if out.read_line(&mut acks).unwrap() == 0 {
                let mut why = String::new();
                run.stderr.take().unwrap().read_to_string(&mut why).unwrap();
                panic!("the writer stopped by itself: {why}");
            }
        }
        run.kill().unwrap();
        run.wait().unwrap();
        out.read_to_string(&mut acks).unwrap();
    }
    assert!(acks.lines().count() >= 10 * 17);
    check(&place(bed), &acks);
}

#[test]
fn a_full_disk_refuses_cleanly_and_reads_go_on() {
    let folder = Folder::new();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m", "remit-full"])
        .arg(&folder.0)
        .output()
        .is_ok_and(|done| done.status.success());
    if !mounted {
        eprintln!(
            "SKIPPED: a small tmpfs cannot be mounted here (needs root), so the full disk is not checked"
        );
        return;
    }
    let unmount = Unmount(folder);
    let bed = Bed::sqlite_in(&unmount.0.0);
    let store = bed.open();
    let ballast = unmount.0.0.join("ballast");
    std::fs::write(&ballast, vec![7_u8; 1 << 20]).unwrap();
    let append = || {
        let mut record = make::record("note");
        record.detail.insert("padding", "x".repeat(20_000));
        store.append_blocking(record, |_| Ok(())).map(drop)
    };
    let mut made = 0;
    let refused = loop {
        match append() {
            Ok(()) => made += 1,
            Err(error) => break error,
        }
        assert!(made < 1000, "the disk never filled");
    };
    assert!(matches!(refused, AppendError::Full), "{refused:?}");
    assert!(matches!(append(), Err(AppendError::Full)));
    let last = made - 1;
    let read = store
        .read_blocking(move |conn| records::get(conn, last))
        .unwrap()
        .unwrap();
    assert_eq!(read.decode().unwrap().kind, "note");
    // Room again: it goes on where it was, without a gap.
    std::fs::remove_file(ballast).unwrap();
    append().unwrap();
    let state = store
        .read_blocking(|conn| Ok::<_, StoreError>((records::count(conn)?, integrity::check_rows(conn)?)));
    let (count, found) = state.unwrap();
    assert_eq!((count, found.len()), (made + 1, 0));
    drop(store);
    let store = bed.open();
    assert_eq!(store.read_blocking(records::count).unwrap(), made + 1);
}

struct Unmount(Folder);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _done = Command::new("umount").arg("--lazy").arg(&self.0.0).status();
    }
}

/// A write that is cut short by a limit is an error of the disk, not a full one: the store stops, the next start
/// finds everything that was acknowledged.
#[test]
fn a_write_cut_short_stops_the_store_and_loses_nothing() {
    let bed = Bed::sqlite();
    let place = place(&bed);
    // 2 MiB in blocks of 512 bytes: the empty tables take a part of it. Without SIGXFSZ the write itself fails.
    let script = r#"trap "" XFSZ; ulimit -f 4096; exec "$1" run "$2" 8"#;
    let done = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(writer())
        .arg(&place)
        .output()
        .unwrap();
    assert!(!done.status.success());
    let why = String::from_utf8_lossy(&done.stderr);
    assert!(why.contains("Unavailable") || why.contains("Full"), "{why}");
    let acks = String::from_utf8_lossy(&done.stdout);
    assert!(acks.lines().count() > 50, "{acks}");
    check(&place, &acks);
}
