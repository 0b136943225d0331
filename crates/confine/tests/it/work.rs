//! A child that is shut in can still do its work.

use crate::house::{House, NOBODY, is_root, offered, skipped, text};
use remit_confine::{Hide, LaunchSpec};

/// Programs an agent lives on, and a line that exercises each.
const PROGRAMS: [(&str, &str); 4] = [
    (
        "git",
        "git init -q repo && cd repo && echo a > f && git add f && git -c user.name=a -c user.email=a@b commit -qm m && git log --oneline | wc -l && cd .. && rm -rf repo",
    ),
    (
        "python3",
        "python3 -c 'import tempfile, subprocess, json, os; d = tempfile.mkdtemp(); open(d + \"/f\", \"w\").write(\"x\"); os.remove(d + \"/f\"); subprocess.run([\"true\"], check=True); print(len(os.listdir(\".\")) >= 0 and 1)'",
    ),
    (
        "node",
        "node -e 'const fs = require(\"fs\"); fs.writeFileSync(\"n.txt\", \"x\"); fs.renameSync(\"n.txt\", \"m.txt\"); fs.unlinkSync(\"m.txt\"); console.log(1)'",
    ),
    ("curl", "curl --version >/dev/null && echo 1"),
];

const SHELL: &str = "set -e; cat /usr/bin/env /etc/passwd > /dev/null; echo x > a; mv a b; ln b c; mkdir -p d/e; mv b d/e; \
    rm -r d c; ls $LIST /proc/self > /dev/null; head -c 4 /dev/urandom > /dev/null; echo y | cat > /dev/null; \
    f=$(mktemp -p \"$OUTSIDE\"); echo z > $f; rm $f; (sleep 100 & kill $!; wait $! || true); echo fine";

fn everyone() -> Vec<(Option<u32>, Hide)> {
    let users: &[Option<u32>] = if is_root() { &[None, Some(NOBODY)] } else { &[None] };
    users
        .iter()
        .flat_map(|uid| [(*uid, Hide::WhereAllowed), (*uid, Hide::Never)])
        .collect()
}

#[test]
fn shell_work_goes_on() {
    for (uid, hide) in everyone() {
        let house = House::new(uid);
        // Below /tmp beside the tree's ancestors when hidden; without hiding, a sibling that existed at the start.
        let outside = if hide == Hide::Never {
            "$PWD".to_owned()
        } else {
            house.dir.parent().unwrap().display().to_string()
        };
        // The way to a tree that is not hidden cannot be listed.
        let list = if hide == Hide::Never { "/usr" } else { "/" };
        let spec = LaunchSpec { hide, ..house.spec() };
        let output = house.shell(
            &spec,
            uid,
            &format!("OUTSIDE=\"{outside}\"; LIST={list}; {SHELL}"),
        );
        assert_eq!(
            text(&output.stdout),
            "fine\n",
            "{uid:?} {hide:?}: {}",
            text(&output.stderr)
        );
    }
}

#[test]
fn the_home_around_a_hidden_tree_stays_a_home() {
    let house = House::new(None);
    let (attested, _) = house.launch(&house.spec(), None, &crate::house::words(&["true"]));
    if !attested.hidden {
        assert!(!offered("hide"), "{attested:?}");
        skipped("the_home_around", &attested.gaps.join("; "));
        return;
    }
    let line = "cd .. && ls -A && mkdir new && echo x > new/f && mv new newer && rm -r newer && mkdir .local/bin && rmdir .local/bin \
        ; ls -A .local/share/remit 2>/dev/null | wc -l";
    let output = house.shell(&house.spec(), None, line);
    assert_eq!(
        text(&output.stdout),
        ".local\nwork\n0\n",
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn the_usual_programs_run() {
    for (uid, hide) in everyone() {
        let house = House::new(uid);
        let spec = LaunchSpec { hide, ..house.spec() };
        for (program, line) in PROGRAMS {
            let tmp = "export TMPDIR=$PWD;";
            let plain = std::process::Command::new(&house.helper)
                .args([
                    "as",
                    &uid.unwrap_or_default().to_string(),
                    "sh",
                    "-c",
                    &format!("{tmp} {line}"),
                ])
                .current_dir(&house.work)
                .env_clear()
                .env("PATH", std::env::var_os("PATH").unwrap())
                .env("HOME", &house.work)
                .output()
                .ok()
                .filter(|o| text(&o.stdout).trim() == "1");
            if plain.is_none() && (uid.is_some() || is_root()) {
                skipped(
                    "the_usual_programs_run",
                    &format!("{program} does not run here as {uid:?}, even unconfined"),
                );
                continue;
            }
            let output = house.shell(&spec, uid, &format!("{tmp} {line}"));
            assert_eq!(
                text(&output.stdout).trim(),
                "1",
                "{program} {uid:?} {hide:?}: {}",
                text(&output.stderr)
            );
        }
    }
}
