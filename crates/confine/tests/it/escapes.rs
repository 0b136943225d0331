//! A child that knows where the tree is and tries everything; and the same child unconfined, as the control.

use crate::house::{House, NOBODY, is_root, offered, skipped, text, words};
use remit_confine::{Confinement, Hide, Identity, LaunchSpec};
use std::collections::BTreeMap;

/// What each try brought: `ok`, or the error.
type Tries = BTreeMap<String, String>;

fn tries(house: &House, spec: &LaunchSpec, uid: Option<u32>) -> (Confinement, Tries) {
    let (attested, output) = house.launch(spec, uid, &house.attack());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let tries: Tries = text(&output.stdout)
        .lines()
        .filter_map(|l| l.split_once(' '))
        .map(|(name, result)| (name.to_owned(), result.to_owned()))
        .collect();
    assert!(tries.len() > 35, "{tries:?}");
    (attested, tries)
}

fn succeeded(tries: &Tries) -> Vec<&str> {
    tries
        .iter()
        .filter(|(_, result)| *result == "ok")
        .map(|(name, _)| name.as_str())
        .collect()
}

/// Whom the cases are played as: ourselves, and a user without rights when we are root.
fn users() -> Vec<Option<u32>> {
    if is_root() {
        vec![None, Some(NOBODY)]
    } else {
        vec![None]
    }
}

#[test]
fn without_confinement_the_same_child_gets_everything() {
    for uid in users() {
        let house = House::new(uid);
        let user = uid.unwrap_or_default().to_string();
        let mut command = std::process::Command::new(&house.helper);
        let attack = house.attack();
        if uid.is_some() {
            command.args(["as", &user]).args(&attack);
        } else {
            command.args(&attack[1..]);
        }
        let output = command.current_dir(&house.work).output().unwrap();
        let out = text(&output.stdout);
        let got: Vec<&str> = out.lines().filter_map(|l| l.strip_suffix(" ok")).collect();
        for expected in [
            "read",
            "stat",
            "list",
            "write",
            "truncate",
            "create",
            "symlink",
            "hardlink",
            "enter",
            "execute",
            "chmod-file",
            "utime",
            "via:/proc/self/root",
            "via:/proc/victim/root",
            "via:/proc/victim/cwd",
            "via:dotdot",
            "via:openat",
            "via:parent-fd",
            "via:o-path",
            "proc:environ",
            "proc:mem",
            "proc:fd",
            "proc:maps",
            "signal-0",
            "signal",
            "abstract",
            "connect",
            "rename-file",
            "rename-tree",
            "rename-parent",
        ] {
            assert!(
                got.contains(&expected),
                "the control cannot even `{expected}` as {uid:?}: {out}"
            );
        }
        for (odd, why) in [
            ("ptrace", "this machine restricts it by itself"),
            ("device", "none here to open"),
        ] {
            if !got.contains(&odd) {
                skipped(&format!("the control of `{odd}`"), why);
            }
        }
    }
}

#[test]
fn hidden_and_locked_nothing_gets_through() {
    for uid in users() {
        let house = House::new(uid);
        let (attested, tries) = tries(&house, &house.spec(), uid);
        let Some(abi) = attested.landlock_abi else {
            assert!(!offered("landlock"), "{attested:?}");
            skipped("hidden_and_locked", "no Landlock");
            return;
        };
        if !attested.hidden {
            assert!(!offered("hide"), "{attested:?}");
            skipped("hidden_and_locked", &attested.gaps.join("; "));
            continue;
        }
        let mut open = succeeded(&tries);
        if abi < 6 {
            skipped("signals and abstract sockets", "Landlock ABI below 6");
            open.retain(|name| !["signal", "signal-0", "abstract"].contains(name));
        }
        assert_eq!(
            open,
            Vec::<&str>::new(),
            "as {uid:?} with {attested:?}: {tries:#?}"
        );
        assert_eq!(attested.word(), "landlock");
        assert!(attested.no_new_privs && attested.gaps.is_empty(), "{attested:?}");
        assert_eq!(
            std::fs::read_to_string(house.tree.join("secret")).unwrap(),
            "the key\n"
        );
    }
}

#[test]
fn landlock_alone_keeps_contents_and_is_honest_about_the_rest() {
    for uid in users() {
        let house = House::new(uid);
        let spec = LaunchSpec {
            hide: Hide::Never,
            ..house.spec()
        };
        let (attested, tries) = tries(&house, &spec, uid);
        let Some(abi) = attested.landlock_abi else {
            assert!(!offered("landlock"), "{attested:?}");
            skipped("landlock_alone", "no Landlock");
            return;
        };
        assert!(!attested.hidden && !attested.userns);
        assert!(
            attested.gaps.iter().any(|g| g.contains("`stat`")),
            "{:?}",
            attested.gaps
        );
        // The rights Landlock does not have; ABI 9 adds the one for sockets.
        let mut known = vec!["stat", "chmod-file", "chmod-tree", "utime", "xattr"];
        if abi < 9 {
            known.push("connect");
        }
        if abi < 6 {
            known.extend(["signal", "signal-0", "abstract"]);
        }
        let open: Vec<&str> = succeeded(&tries)
            .into_iter()
            .filter(|name| !known.contains(name))
            .collect();
        assert_eq!(open, Vec::<&str>::new(), "as {uid:?}: {tries:#?}");
        assert!(house.tree.join("secret").exists());
    }
}

#[test]
fn an_own_user_keeps_out_without_the_rest() {
    if !is_root() {
        skipped("an_own_user", "needs root");
        return;
    }
    let house = House::new(None);
    std::fs::set_permissions(&house.tree, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    std::os::unix::fs::chown(&house.work, Some(NOBODY), Some(NOBODY)).unwrap();
    let own = Some(Identity {
        uid: NOBODY,
        gid: NOBODY,
    });
    let (attested, tries) = tries(&house, &LaunchSpec { own, ..house.spec() }, None);
    assert_eq!((attested.own_uid, attested.word()), (Some(NOBODY), "own-uid"));
    assert_eq!(succeeded(&tries), Vec::<&str>::new(), "{tries:#?}");
    let output = house.shell(
        &LaunchSpec { own, ..house.spec() },
        None,
        "id -u; id -g; id -G; echo x > mine && stat -c %u mine",
    );
    assert_eq!(
        text(&output.stdout),
        format!("{NOBODY}\n{NOBODY}\n{NOBODY}\n{NOBODY}\n"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn a_wish_we_cannot_grant_is_a_gap_not_a_claim() {
    let uid = is_root().then_some(NOBODY);
    let house = House::new(uid);
    let spec = LaunchSpec {
        own: Some(Identity { uid: 4711, gid: 4711 }),
        ..house.spec()
    };
    let (attested, output) = house.launch(&spec, uid, &words(&["id", "-u"]));
    assert_eq!(attested.own_uid, None);
    assert!(
        attested
            .gaps
            .iter()
            .any(|g| g.contains("becoming user 4711 takes root")),
        "{attested:?}"
    );
    assert_ne!(text(&output.stdout).trim(), "4711");
}

#[test]
fn a_tree_bound_elsewhere_is_closed_there_too() {
    let house = House::new(None);
    let (tree, dir, helper) = (house.tree.display(), house.dir.display(), house.helper.display());
    for hide in [Hide::WhereAllowed, Hide::Never] {
        let spec = LaunchSpec { hide, ..house.spec() };
        let file = house.dir.join("spec.json");
        std::fs::write(&file, spec.to_line().unwrap()).unwrap();
        // Bound whole, bound from above, and one file of it; in a mount namespace that goes with the shell.
        let read = "cat whole/secret above/remit/secret one 2>/dev/null; echo end";
        let script = format!(
            "cd {dir} && mkdir -p whole above && touch one && mount --bind {tree} whole && mount --bind {tree}/.. above \
             && mount --bind {tree}/secret one && cat whole/secret above/remit/secret one && echo bound \
             && exec {helper} launch --spec {} -- sh -c '{read}'",
            file.display()
        );
        let output = std::process::Command::new("unshare")
            .args(["-r", "-m", "sh", "-c", &script])
            .output();
        let Some(output) = output.ok().filter(|o| text(&o.stdout).contains("bound")) else {
            skipped("a_tree_bound_elsewhere", "no mount namespace for the test itself");
            return;
        };
        assert_eq!(
            text(&output.stdout),
            "the key\nthe key\nthe key\nbound\nend\n",
            "{hide:?} {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn a_linked_tree_can_be_neither_read_nor_swapped() {
    let house = House::new(None);
    let link = house.dir.join("home/data");
    std::os::unix::fs::symlink(&house.tree, &link).unwrap();
    for hide in [Hide::WhereAllowed, Hide::Never] {
        let spec = LaunchSpec {
            denied: vec![link.clone()],
            hide,
            ..LaunchSpec::default()
        };
        let line = "cat ../data/secret ../.local/share/remit/secret; rm ../data; mv ../data x; ln -s x ../data2; echo end";
        let output = house.shell(&spec, None, line);
        assert_eq!(text(&output.stdout), "end\n", "{hide:?}");
        assert_eq!(std::fs::read_link(&link).unwrap(), house.tree, "{hide:?}");
    }
}

#[test]
fn a_link_beside_the_way_opens_nothing() {
    let house = House::new(None);
    for (link, target) in [("home/shortcut", house.tree.as_path()), ("home/up", &house.dir)] {
        std::os::unix::fs::symlink(target, house.dir.join(link)).unwrap();
    }
    let spec = LaunchSpec {
        hide: Hide::Never,
        ..house.spec()
    };
    let line =
        "cat ../shortcut/secret ../up/home/.local/share/remit/secret ../.local/share/remit/secret; echo end";
    assert_eq!(text(&house.shell(&spec, None, line).stdout), "end\n");
}

#[test]
fn a_missing_tree_cannot_be_planted() {
    let house = House::new(None);
    let missing = house.dir.join("home/.config/remit");
    std::fs::create_dir_all(missing.parent().unwrap()).unwrap();
    let spec = LaunchSpec {
        denied: vec![house.tree.clone(), missing.clone()],
        ..LaunchSpec::default()
    };
    let output = house.shell(
        &spec,
        None,
        "mkdir ../.config/remit; mv ../.config ../c; echo x > ../.config/remit; echo end",
    );
    assert_eq!(text(&output.stdout), "end\n");
    assert!(!missing.exists() && missing.parent().unwrap().exists());
}

#[test]
fn a_run_inside_a_run_works_and_stays_shut() {
    for uid in users() {
        let house = House::new(uid);
        let mut spec = house.spec();
        let file = house.work.join("spec.json");
        std::fs::write(&file, spec.to_line().unwrap()).unwrap();
        spec.doors = vec![house.dir.join("home/door")];
        std::fs::write(&spec.doors[0], "open\n").unwrap();
        let line = format!(
            "env -u AS_UID {} launch --spec {} -- sh -c 'cat ../.local/share/remit/secret ../door; ls -A .. && echo x > ../new && echo worked'",
            house.helper.display(),
            file.display()
        );
        let (attested, output) = house.launch(&spec, uid, &words(&["sh", "-c", &line]));
        if !attested.hidden {
            assert!(!offered("hide"), "{attested:?}");
            skipped("a_run_inside_a_run", &attested.gaps.join("; "));
            return;
        }
        let expected = ".local\ndoor\nwork\nworked\n";
        assert_eq!(
            text(&output.stdout),
            expected,
            "{uid:?}: {}",
            text(&output.stderr)
        );
    }
}
