//! git's pushes, made by git itself where it is there.

use std::path::Path;
use std::process::{Command, Stdio};

use super::*;

fn system() -> System {
    let text = "title = \"T\"\nhosts = [\"git.example\"]\n[git]\nrepository = \"/{owner}/{repo}\"\n";
    System::parse(&"forge".parse().unwrap(), text).unwrap()
}

fn post(body: &[u8]) -> Result<Reading, Refusal> {
    let head = Head {
        method: "POST".into(),
        authority: Authority::parse("git.example", 443).unwrap(),
        target: Target::parse("/acme/web.git/git-receive-pack").unwrap(),
        headers: Vec::new(),
        content_type: Some("application/x-git-receive-pack-request".into()),
    };
    read(&system(), &head, &Spooled::of(body).unwrap())
}

fn line(text: &str) -> Vec<u8> {
    format!("{:04x}{text}", text.len() + 4).into_bytes()
}

const ZERO: &str = "0000000000000000000000000000000000000000";
const ONE: &str = "1111111111111111111111111111111111111111";
const TWO: &str = "2222222222222222222222222222222222222222";

fn commands(lines: &[String]) -> Vec<u8> {
    let mut body: Vec<u8> = lines.iter().flat_map(|text| line(text)).collect();
    body.extend_from_slice(b"0000");
    body
}

fn named(body: &[u8]) -> String {
    post(body).map_or_else(
        |refusal| format!("refused: {}", refusal.sentence),
        |reading| reading.operation.to_string(),
    )
}

#[test]
fn commands_are_told_apart() {
    let create = format!("{ZERO} {ONE} refs/heads/new\0report-status agent=git/2");
    let delete = format!("{ONE} {ZERO} refs/heads/old\0report-status");
    let update = format!("{ONE} {TWO} refs/heads/main\0report-status");
    assert_eq!(named(&commands(std::slice::from_ref(&create))), "git.push");
    assert_eq!(named(&commands(std::slice::from_ref(&delete))), "git.push_delete");
    assert_eq!(named(&commands(&[update])), "git.push_rewrite");
    assert_eq!(named(&commands(&[create, delete])), "git.push_delete");
    assert_eq!(named(b"0000"), "git.push");
    for bad in [
        commands(&[format!("{ONE} {TWO} main\0")]),
        commands(&[format!("{ZERO} {ZERO} refs/heads/x\0")]),
        commands(&[
            format!("{ONE} {TWO} refs/heads/x\0"),
            format!("{ONE} {ZERO} refs/heads/x"),
        ]),
        commands(&["push-cert\0".to_owned()]),
        b"00".to_vec(),
        b"zzzz".to_vec(),
        b"0003".to_vec(),
        b"ffff00".to_vec(),
    ] {
        assert!(post(&bad).is_err(), "{}", String::from_utf8_lossy(&bad));
    }
}

fn git(folder: &Path, words: &[&str]) -> Vec<u8> {
    let out = Command::new("git")
        .current_dir(folder)
        .args([
            "-c",
            "user.name=a",
            "-c",
            "user.email=a@example.org",
            "-c",
            "commit.gpgsign=false",
        ])
        .args(words)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(
        out.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    out.stdout
}

fn id(folder: &Path, what: &str) -> String {
    String::from_utf8(git(folder, &["rev-parse", what]))
        .unwrap()
        .trim()
        .to_owned()
}

/// The pack git would push from `old` to `new`, thin as in a push.
fn packed(folder: &Path, old: &str, new: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = Command::new("git")
        .current_dir(folder)
        .args([
            "pack-objects",
            "--revs",
            "--thin",
            "--stdout",
            "--delta-base-offset",
            "-q",
            "--window=50",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(format!("{new}\n^{old}\n").as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_real_fast_forward_is_proven_and_a_force_is_not() {
    if Command::new("git").arg("--version").output().is_err() {
        eprintln!("skipped: no git here");
        return;
    }
    let folder = std::env::temp_dir().join(format!("remit-pack-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    git(&folder, &["init", "-q", "-b", "main"]);
    let commit = |n: usize| {
        std::fs::write(folder.join("a.txt"), format!("{n}\n").repeat(300)).unwrap();
        git(&folder, &["add", "."]);
        git(
            &folder,
            &[
                "commit",
                "-q",
                "-m",
                &format!("{n} {}", "long message ".repeat(200)),
            ],
        );
    };
    commit(0);
    let old = id(&folder, "HEAD");
    (1..40).for_each(commit);
    let new = id(&folder, "HEAD");
    let push = |old: &str, new: &str, pack: &[u8]| {
        let mut body = commands(&[format!("{old} {new} refs/heads/main\0report-status")]);
        body.extend_from_slice(pack);
        named(&body)
    };
    assert_eq!(push(&old, &new, &packed(&folder, &old, &new)), "git.push");
    // The same pack said to follow another commit; a pack without what it needs; a cut one.
    assert_eq!(push(ONE, &new, &packed(&folder, &old, &new)), "git.push_rewrite");
    let pack = packed(&folder, &old, &new);
    assert_eq!(push(&old, &new, &pack[..pack.len() / 3]), "git.push_rewrite");
    assert_eq!(push(&old, &new, b""), "git.push_rewrite");
    // A commit that replaces the old one.
    git(&folder, &["checkout", "-q", "-b", "other", &old]);
    git(&folder, &["commit", "-q", "--amend", "-m", "instead"]);
    let amended = id(&folder, "HEAD");
    assert_eq!(
        push(&old, &amended, &packed(&folder, &old, &amended)),
        "git.push_rewrite"
    );
    std::fs::remove_dir_all(&folder).unwrap();
}
