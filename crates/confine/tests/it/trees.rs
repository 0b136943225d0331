//! Ending a run: everything that belongs to it, and nothing else.

use crate::house::{House, PATIENCE, words};
use remit_confine::{LaunchSpec, ProcessId, command, kill_tree};
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Starts a confined shell line and waits until it has printed `ready`.
fn start(house: &House, spec: &LaunchSpec, line: &str) -> (Child, ProcessId) {
    let mut launch = command(&house.helper, spec, &words(&["sh", "-c", line])).unwrap();
    launch
        .command
        .current_dir(&house.work)
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut child = launch.spawn(PATIENCE).unwrap().child;
    let mut first = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut first)
        .unwrap();
    assert_eq!(first, "ready\n");
    let id = ProcessId::of(child.id()).unwrap();
    (child, id)
}

/// Processes whose command line names `mark`.
fn marked(mark: &str) -> Vec<u32> {
    std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok())
        .filter(|pid| ProcessId::of(*pid).is_ok_and(ProcessId::is_alive))
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|c| String::from_utf8_lossy(&c).contains(mark))
        })
        .collect()
}

/// A duration nobody else sleeps, also no leftover of an earlier, failed run.
fn mark(n: u32) -> String {
    format!("{}.{n}", 80_000 + std::process::id())
}

#[test]
fn a_tree_ends_whole_and_alone() {
    let house = House::new(None);
    let (stays, goes) = (mark(1), mark(2));
    let (mut bystander, _) = start(&house, &house.spec(), &format!("echo ready; exec sleep {stays}"));
    let line = format!(
        "sleep {goes} & (sleep {goes} & exec sleep {goes}) & (setsid sleep {goes} & setsid sleep {goes} &); \
         sh -c 'trap \"\" TERM; while :; do sleep {goes}; done' & echo ready; wait"
    );
    for new_session in [false, true] {
        let (mut child, id) = start(
            &house,
            &LaunchSpec {
                new_session,
                ..house.spec()
            },
            &line,
        );
        // The shell is ready before those it started are.
        while marked(&goes).len() < 6 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let end = kill_tree(id, Duration::from_millis(300)).unwrap();
        assert_eq!(end.survivors, []);
        assert!(end.ended.contains(&id) && end.ended.len() >= 7, "{end:?}");
        assert_eq!(marked(&goes), Vec::<u32>::new());
        child.wait().unwrap();
        assert_eq!(marked(&stays), [bystander.id()]);
    }
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[test]
fn a_tree_that_keeps_forking_away_ends() {
    let house = House::new(None);
    let goes = mark(3);
    let line = format!("echo ready; trap '' TERM; while :; do (sleep {goes} &); sleep 0.01; done");
    let (mut child, id) = start(&house, &house.spec(), &line);
    let end = kill_tree(id, Duration::from_millis(200)).unwrap();
    assert_eq!(end.survivors, []);
    child.wait().unwrap();
    assert_eq!(marked(&goes), Vec::<u32>::new());
}

#[test]
fn a_polite_process_is_given_its_time() {
    let house = House::new(None);
    let line = "trap 'echo bye > farewell; exit 0' TERM; echo ready; while :; do sleep 0.01; done";
    let (mut child, id) = start(&house, &house.spec(), line);
    let end = kill_tree(id, Duration::from_secs(20)).unwrap();
    assert_eq!(end.survivors, []);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(
        std::fs::read_to_string(house.work.join("farewell")).unwrap(),
        "bye\n"
    );
}

#[test]
fn we_do_not_end_ourselves() {
    let own = ProcessId::own().unwrap();
    let parent = own.ancestry().unwrap().line()[1];
    for ours in [own, parent] {
        let error = kill_tree(ours, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}

#[test]
fn the_pid_of_a_dead_run_harms_nobody() {
    let mut child = std::process::Command::new("sleep").arg("84444").spawn().unwrap();
    let now = ProcessId::of(child.id()).unwrap();
    let before = ProcessId {
        start_time: now.start_time - 1,
        ..now
    };
    let end = kill_tree(before, Duration::ZERO).unwrap();
    assert_eq!((end.ended, end.survivors), (vec![before], vec![]));
    assert!(now.is_alive());
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_run_that_starts_while_another_ends_lives() {
    let ends = House::new(None);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let starting = (0..3).map(|_| {
            scope.spawn(|| {
                let house = House::new(None);
                while !over.load(Ordering::Relaxed) {
                    let mut launch = command(&house.helper, &house.spec(), &words(&["/bin/true"])).unwrap();
                    launch.command.current_dir(&house.work).stdin(Stdio::null());
                    let mut child = launch.spawn(PATIENCE).unwrap().child;
                    let status = child.wait().unwrap();
                    if !status.success() {
                        return Some(status);
                    }
                }
                None
            })
        });
        let starting: Vec<_> = starting.collect();
        for _ in 0..25 {
            let (mut child, id) = start(&ends, &ends.spec(), "echo ready; exec sleep 1000");
            kill_tree(id, Duration::from_secs(20)).unwrap();
            child.wait().unwrap();
        }
        over.store(true, Ordering::Relaxed);
        for one in starting {
            assert_eq!(
                one.join().unwrap(),
                None,
                "a run that had nothing to do with it was ended"
            );
        }
    });
}
