//! The process that holds keys is closed to its own user's other processes.

use crate::house::{House, NOBODY, is_root};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

#[test]
fn a_hardened_process_keeps_its_memory_and_files_to_itself() {
    // Root reads everybody; the question is what an equal can do.
    let uid = if is_root() {
        NOBODY
    } else {
        rustix::process::geteuid().as_raw()
    };
    let house = House::new(is_root().then_some(uid));
    let user = uid.to_string();
    let equal = |words: &[&str]| {
        let mut command = Command::new(&house.helper);
        if is_root() {
            command.args(["as", &user]).args(words);
        } else {
            command = Command::new(words[0]);
            command.args(&words[1..]);
        }
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        command
    };
    for (how, open, mode) in [("plain", true, 0o644), ("harden", false, 0o600)] {
        let file = house.work.join(how);
        let helper = house.helper.to_str().unwrap();
        let mut keeper = equal(&[helper, "keep", how, file.to_str().unwrap()])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "ready\n");
        let pid = keeper.id();
        for secret in ["environ", "maps", "auxv"] {
            let read = equal(&["cat", &format!("/proc/{pid}/{secret}")])
                .output()
                .unwrap();
            assert_eq!(
                read.status.success() && !read.stdout.is_empty(),
                open,
                "{how} {secret}"
            );
        }
        let created = std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        assert_eq!(created & !0o022, mode & !0o022, "{how}");
        drop(keeper.stdin.take());
        assert!(keeper.wait().unwrap().success());
    }
}
