//! Who is calling: children, children that got away, strangers, and the dead.

use crate::house::{House, PATIENCE, words};
use remit_confine::peer::{Peer, Suspicion, examine};
use remit_confine::{ProcessId, become_subreaper, command};
use std::io;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Stdio};

struct Scene {
    house: House,
    listener: UnixListener,
}

impl Scene {
    fn new() -> Self {
        become_subreaper().unwrap();
        let house = House::new(None);
        let listener = UnixListener::bind(house.work.join("open.sock")).unwrap();
        Self { house, listener }
    }

    /// A confined run of a shell line, in which `$CALL how` calls us.
    fn run(&self, line: &str) -> (Child, ProcessId) {
        let mut launch = command(
            &self.house.helper,
            &self.house.spec(),
            &words(&["sh", "-c", line]),
        )
        .unwrap();
        let call = format!(
            "{} connect {}",
            self.house.helper.display(),
            self.house.work.join("open.sock").display()
        );
        launch
            .command
            .current_dir(&self.house.work)
            .env("PATH", "/usr/bin:/bin")
            .env("CALL", call)
            .env("REAPER", std::process::id().to_string())
            .stdin(Stdio::piped());
        let child = launch.spawn(PATIENCE).unwrap().child;
        let id = ProcessId::of(child.id()).unwrap();
        (child, id)
    }

    fn accept(&self) -> (UnixStream, Peer) {
        let (stream, _) = self.listener.accept().unwrap();
        let peer = examine(&stream).unwrap();
        (stream, peer)
    }
}

fn marks_mean_something() -> bool {
    !rustix::thread::no_new_privs().unwrap()
}

#[test]
fn a_stranger_is_no_run() {
    let scene = Scene::new();
    let (mut child, run) = scene.run("read line");
    let _call = UnixStream::connect(scene.house.work.join("open.sock")).unwrap();
    let (_stream, peer) = scene.accept();
    assert_eq!(peer.id, ProcessId::own().unwrap());
    assert_eq!(peer.uid, rustix::process::geteuid().as_raw());
    assert_eq!(peer.suspicion(&[run]), None);
    assert!(!marks_mean_something() || !peer.no_new_privs);
    drop(child.stdin.take());
    child.wait().unwrap();
}

#[test]
fn a_grandchild_is_traced_to_its_run() {
    let scene = Scene::new();
    let (mut child, run) = scene.run("sh -c '$CALL plain; true'; true");
    let (stream, peer) = scene.accept();
    assert_eq!(peer.suspicion(&[run]), Some(Suspicion::Descends(run)));
    assert!(peer.ancestry.line().len() >= 4, "{:?}", peer.ancestry);
    let other = ProcessId {
        start_time: run.start_time + 1,
        ..run
    };
    if marks_mean_something() {
        assert_eq!(
            peer.suspicion(&[other]),
            Some(Suspicion::Marked),
            "another process of that pid is not its ancestor"
        );
    }
    drop(stream);
    child.wait().unwrap();
}

#[test]
fn a_double_forked_caller_is_recognised() {
    let scene = Scene::new();
    for how in ["orphan", "session"] {
        let (mut child, run) = scene.run(&format!("( $CALL {how} & ); read line"));
        let (stream, peer) = scene.accept();
        // The middle process is gone, and we are the nearest subreaper: the line skips the run.
        assert_eq!(peer.ancestry.line()[1], ProcessId::own().unwrap(), "{how}");
        assert_eq!(peer.ancestry.descends_from(&[run]), None, "{how}");
        if marks_mean_something() {
            assert_eq!(peer.suspicion(&[run]), Some(Suspicion::Marked), "{how}");
        }
        // Even after the run itself is over.
        drop(child.stdin.take());
        child.wait().unwrap();
        let late = examine(&stream).unwrap();
        assert_eq!(late.suspicion(&[]).is_some(), marks_mean_something(), "{how}");
        drop(stream);
    }
}

#[test]
fn the_session_of_a_run_is_the_run() {
    let scene = Scene::new();
    let mut spec = scene.house.spec();
    spec.new_session = true;
    let line = format!(
        "( {} connect {} orphan & ); exit 0",
        scene.house.helper.display(),
        scene.house.work.join("open.sock").display()
    );
    let mut launch = command(&scene.house.helper, &spec, &words(&["sh", "-c", &line])).unwrap();
    launch
        .command
        .current_dir(&scene.house.work)
        .env("PATH", "/usr/bin:/bin")
        .env("REAPER", std::process::id().to_string());
    let mut child = launch.command.spawn().unwrap();
    let run = ProcessId::of(child.id()).unwrap();
    child.wait().unwrap();
    let (_stream, peer) = scene.accept();
    assert_eq!(peer.suspicion(&[run]), Some(Suspicion::Session(run)));
}

#[test]
fn a_dead_caller_is_nobody() {
    let scene = Scene::new();
    let mut child = std::process::Command::new(&scene.house.helper)
        .args([
            "connect",
            scene.house.work.join("open.sock").to_str().unwrap(),
            "plain",
        ])
        .spawn()
        .unwrap();
    let (stream, _) = scene.listener.accept().unwrap();
    assert_eq!(examine(&stream).unwrap().id.pid, child.id());
    child.kill().unwrap();
    // Dead, and its pid still taken: nobody has collected it.
    let pid = rustix::process::Pid::from_child(&child);
    let ended = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOWAIT;
    rustix::process::waitid(rustix::process::WaitId::Pid(pid), ended).unwrap();
    assert_eq!(examine(&stream).unwrap_err().kind(), io::ErrorKind::NotFound);
    child.wait().unwrap();
    let error = examine(&stream).unwrap_err();
    let gone = error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(3);
    assert!(gone, "{error:?}");
}
