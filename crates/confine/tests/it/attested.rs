//! What the child was given, and that the attestation says the same.

use crate::house::{House, NOBODY, PATIENCE, built_helper, is_root, offered, skipped, text, words};
use remit_confine::{Identity, LaunchSpec, Launched, Netns, WAY_OUT, command};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::process::Stdio;

fn lines<'a>(out: &'a str, key: &str) -> Vec<&'a str> {
    out.lines()
        .filter_map(|l| l.strip_prefix(key)?.strip_prefix(' '))
        .collect()
}

#[test]
fn descriptors_and_environment_are_what_was_given() {
    let house = House::new(None);
    // As if an ancestor had forgotten to mark them close-on-exec.
    let leaked: Vec<std::fs::File> = (0..3)
        .map(|_| std::fs::File::open(house.tree.join("secret")).unwrap())
        .collect();
    for file in &leaked {
        rustix::io::fcntl_setfd(file.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    }
    let mut launch = command(
        &house.helper,
        &house.spec(),
        &[house.helper.clone().into(), "show".into()],
    )
    .unwrap();
    launch
        .command
        .env("ONLY", "this")
        .current_dir(&house.work)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let Launched {
        child,
        confinement: attested,
        ..
    } = launch.spawn(PATIENCE).unwrap();
    assert_eq!(attested.pid, child.id());
    let out = text(&child.wait_with_output().unwrap().stdout);
    let mut fds = lines(&out, "fd");
    fds.sort_unstable();
    assert_eq!(fds, ["0", "1", "2"], "{out}");
    assert_eq!(lines(&out, "env"), ["ONLY=this"]);
    assert_eq!(
        lines(&out, "core")[0]
            .split_whitespace()
            .filter(|w| *w == "0")
            .count(),
        2,
        "{out}"
    );
    assert!(lines(&out, "status").contains(&"NoNewPrivs:\t1"), "{out}");
    assert_eq!(lines(&out, "net").len(), 1);
}

#[test]
fn root_keeps_its_name_and_loses_the_keys_to_the_kernel() {
    if !is_root() {
        skipped("root_keeps_its_name", "needs root");
        return;
    }
    let house = House::new(None);
    let (_, output) = house.launch(&house.spec(), None, &[house.helper.clone().into(), "show".into()]);
    let out = text(&output.stdout);
    for set in ["CapEff:\t", "CapBnd:\t"] {
        let caps = lines(&out, "status")
            .iter()
            .find_map(|l| l.strip_prefix(set))
            .unwrap();
        let caps = u64::from_str_radix(caps, 16).unwrap();
        for (name, bit) in [
            ("DAC_READ_SEARCH", 2),
            ("SYS_MODULE", 16),
            ("SYS_PTRACE", 19),
            ("SYS_ADMIN", 21),
            ("MKNOD", 27),
            ("BPF", 39),
        ] {
            assert_eq!(caps >> bit & 1, 0, "{name} in {set}");
        }
    }
}

#[test]
fn an_empty_network_is_empty_and_said_to_be() {
    for uid in if is_root() {
        vec![None, Some(NOBODY)]
    } else {
        vec![None]
    } {
        let house = House::new(uid);
        let show = [house.helper.clone().into(), "show".into()];
        let (before, output) = house.launch(&house.spec(), uid, &show);
        assert!(!before.netns);
        assert_eq!(
            lines(&text(&output.stdout), "tcp"),
            ["true"],
            "loopback works without it"
        );
        let (attested, output) = house.launch(
            &LaunchSpec {
                netns: Netns::Empty,
                ..house.spec()
            },
            uid,
            &show,
        );
        if !attested.netns {
            assert!(!offered("hide"), "the same namespaces carry both: {attested:?}");
            skipped("an_empty_network", &attested.gaps.join("; "));
            assert!(!attested.gaps.is_empty());
            continue;
        }
        assert_eq!(
            attested.word(),
            if attested.landlock_abi.is_some() {
                "netns"
            } else {
                "none"
            }
        );
        assert_eq!(lines(&text(&output.stdout), "tcp"), ["false"]);
    }
}

#[test]
fn the_one_way_out_leads_to_the_supervisor() {
    for uid in if is_root() {
        vec![None, Some(NOBODY)]
    } else {
        vec![None]
    } {
        let house = House::new(uid);
        let spec = LaunchSpec {
            netns: Netns::Listener(WAY_OUT),
            ..house.spec()
        };
        // Nothing of ours listens where it leads from the outside: it is another network.
        let line = format!(
            "exec 3<>/dev/tcp/{}; echo hello >&3; read -r answer <&3; echo \"got $answer\"; echo fds /proc/self/fd/*",
            WAY_OUT.to_string().replace(':', "/")
        );
        let mut launch = command(&house.helper, &spec, &words(&["bash", "-c", &line])).unwrap();
        launch
            .command
            .current_dir(&house.work)
            .env("PATH", std::env::var_os("PATH").unwrap())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        if let Some(uid) = uid {
            launch.command.env("AS_UID", uid.to_string());
        }
        let mut child = launch.command.spawn().unwrap();
        drop(launch.command);
        let attested = launch.attestation.wait(PATIENCE).unwrap();
        let listener = launch.way_out.unwrap().take().unwrap();
        if !attested.netns {
            assert!(!offered("hide"), "the same namespaces carry both: {attested:?}");
            assert!(listener.is_none() && !attested.way_out);
            skipped("the_one_way_out", &attested.gaps.join("; "));
            child.kill().unwrap();
            child.wait().unwrap();
            continue;
        }
        assert!(attested.way_out);
        let (mut stream, from) = listener.unwrap().accept().unwrap();
        assert!(from.ip().is_loopback());
        let mut said = [0; 6];
        stream.read_exact(&mut said).unwrap();
        assert_eq!(&said, b"hello\n");
        stream.write_all(b"back\n").unwrap();
        let out = text(&child.wait_with_output().unwrap().stdout);
        assert!(out.starts_with("got back\n"), "{out}");
        // 3 is the connection of its own; neither the pair nor the listener came along.
        assert!(!out.contains("/fd/5"), "{out}");
    }
}

#[test]
fn a_session_of_its_own_on_request() {
    let house = House::new(None);
    let show = [house.helper.clone().into(), "show".into()];
    // Not `getsid`: it answers 0 for a session whose leader is outside our pid namespace, and rustix's type has no 0.
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let ours = stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap();
    let (_, output) = house.launch(&house.spec(), None, &show);
    assert_eq!(lines(&text(&output.stdout), "sid"), [ours]);
    let (attested, output) = house.launch(
        &LaunchSpec {
            new_session: true,
            ..house.spec()
        },
        None,
        &show,
    );
    assert_eq!(
        lines(&text(&output.stdout), "sid"),
        [attested.pid.to_string().as_str()]
    );
}

#[test]
fn a_command_that_does_not_exist_is_named() {
    let house = House::new(None);
    let (_, output) = house.launch(&house.spec(), None, &words(&["remit-no-such-program"]));
    assert_eq!(output.status.code(), Some(125));
    assert!(
        text(&output.stderr).contains("cannot start `remit-no-such-program`"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_launcher_that_refuses_leaves_nothing_running() {
    let house = House::new(None);
    let cases: [(LaunchSpec, Option<&std::path::Path>, &str); 3] = [
        (
            LaunchSpec {
                denied: vec!["relative".into()],
                ..house.spec()
            },
            None,
            "relative",
        ),
        (
            LaunchSpec {
                own: Some(Identity { uid: 0, gid: 0 }),
                ..house.spec()
            },
            None,
            "root",
        ),
        (house.spec(), Some(&house.tree), "inside"),
    ];
    for (spec, dir, case) in cases {
        let mut launch = command(&built_helper(), &spec, &words(&["touch", "ran"])).unwrap();
        launch
            .command
            .current_dir(dir.unwrap_or(&house.work))
            .env("PATH", "/usr/bin:/bin")
            .stderr(Stdio::null());
        match launch.spawn(PATIENCE) {
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof, "{case}: {error}"),
            // Without a mount namespace the directory is no obstacle to the start, only to every use.
            Ok(mut launched) => {
                let attested = &launched.confinement;
                assert!(case == "inside" && !attested.hidden, "{case}: {attested:?}");
                launched.child.wait().unwrap();
            }
        }
        assert!(
            !house.work.join("ran").exists() && !house.tree.join("ran").exists(),
            "{case}"
        );
    }
}

#[test]
fn a_directory_as_standard_input_is_refused() {
    let house = House::new(None);
    let mut launch = command(&house.helper, &house.spec(), &words(&["true"])).unwrap();
    let dir = std::fs::File::open(house.tree.parent().unwrap()).unwrap();
    launch
        .command
        .current_dir(&house.work)
        .env("PATH", "/usr/bin:/bin")
        .stdin(dir)
        .stderr(Stdio::piped());
    let child = launch.command.spawn().unwrap();
    drop(launch.command);
    assert!(launch.attestation.wait(PATIENCE).is_err());
    let output = child.wait_with_output().unwrap();
    assert!(
        text(&output.stderr).contains("standard input is a directory"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn only_the_launcher_can_attest() {
    let house = House::new(None);
    // The child tries to write where the launcher wrote; the attestation stays what the launcher said.
    let forged = r#"{"pid":1}"#;
    let line =
        format!("for n in 3 4 5 6 7; do (echo '{forged}' >&$n) 2>/dev/null; done; ls /proc/self/fd | wc -l");
    let mut launch = command(&house.helper, &house.spec(), &words(&["sh", "-c", &line])).unwrap();
    launch
        .command
        .current_dir(&house.work)
        .env("PATH", "/usr/bin:/bin")
        .stdout(Stdio::piped());
    let child = launch.command.spawn().unwrap();
    let pid = child.id();
    assert!(child.wait_with_output().unwrap().status.success());
    drop(launch.command);
    assert_eq!(launch.attestation.wait(PATIENCE).unwrap().pid, pid);
}
