//! Real git through the proxy, against git's own HTTP backend: what a push would do to refs is decided before it happens.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use remit_server::egress::systems::{self, NewSystem};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, name};
use crate::upstream_stub::{Names, environment};

const FORGE: &str = "title = \"Forge\"\nscheme = \"http\"\n[git]\nrepository = \"/{owner}/{repo}\"\n";

/// `git http-backend` behind a listener of our own; its port.
async fn backend(root: PathBuf) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let root = root.clone();
            tokio::spawn(async move {
                let mut buffer = Vec::new();
                let end = loop {
                    if let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                        break end + 4;
                    }
                    let mut piece = vec![0; 65536];
                    let read = stream.read(&mut piece).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    buffer.extend_from_slice(&piece[..read]);
                };
                let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
                let field = |name: &str| {
                    head.lines()
                        .filter_map(|line| line.split_once(": "))
                        .find(|(key, _)| key.eq_ignore_ascii_case(name))
                        .map(|(_, value)| value.to_owned())
                        .unwrap_or_default()
                };
                let length: usize = field("content-length").parse().unwrap_or(0);
                while buffer.len() < end + length {
                    let mut piece = vec![0; 65536];
                    let read = stream.read(&mut piece).await.unwrap();
                    buffer.extend_from_slice(&piece[..read]);
                }
                let mut words = head.split(' ');
                let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
                let (path, query) = target.split_once('?').unwrap_or((&target, ""));
                let mut cgi = Command::new("git")
                    .arg("http-backend")
                    .env("GIT_PROJECT_ROOT", &root)
                    .env("GIT_HTTP_EXPORT_ALL", "1")
                    .env("REQUEST_METHOD", method)
                    .env("PATH_INFO", path)
                    .env("QUERY_STRING", query)
                    .env("CONTENT_TYPE", field("content-type"))
                    .env("CONTENT_LENGTH", length.to_string())
                    .env("GIT_PROTOCOL", field("git-protocol"))
                    .env("REMOTE_USER", "a")
                    .stdin(Stdio::piped())
                    .stdout(Stdio::piped())
                    .spawn()
                    .unwrap();
                let mut input = cgi.stdin.take().unwrap();
                let body = buffer[end..end + length].to_vec();
                let out = tokio::task::spawn_blocking(move || {
                    let writing = std::thread::spawn(move || std::io::Write::write_all(&mut input, &body));
                    let out = cgi.wait_with_output().unwrap().stdout;
                    let _ = writing.join().unwrap();
                    out
                })
                .await
                .unwrap();
                let at = out.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
                let (fields, body) = (String::from_utf8(out[..at].to_vec()).unwrap(), &out[at + 4..]);
                let status = fields
                    .lines()
                    .find_map(|line| line.strip_prefix("Status: "))
                    .unwrap_or("200 OK")
                    .to_owned();
                let message = format!(
                    "HTTP/1.1 {status}\r\n{fields}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(message.as_bytes()).await;
                let _ = stream.write_all(body).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

fn git(folder: &Path, proxy: Option<&str>, words: &[&str]) -> Output {
    let mut command = Command::new("git");
    command
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
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("no_proxy")
        .env_remove("NO_PROXY");
    if let Some(proxy) = proxy {
        command
            .env("http_proxy", proxy)
            .env("GIT_HTTP_PROXY_AUTHMETHOD", "basic");
    }
    command.output().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn pushes_are_told_apart_before_they_happen() {
    if Command::new("git")
        .arg("http-backend")
        .stdin(Stdio::null())
        .output()
        .is_err()
    {
        eprintln!("skipped: no git here");
        return;
    }
    let house = House::open("100ms").await;
    let names = Names::default();
    house
        .app()
        .dialler
        .set(environment(&names, rustls::RootCertStore::empty()))
        .ok()
        .unwrap();
    let root = house.folder.join("forge");
    let bare = root.join("acme/web.git");
    std::fs::create_dir_all(&bare).unwrap();
    assert!(
        git(&bare, None, &["init", "-q", "--bare", "-b", "main"])
            .status
            .success()
    );
    assert!(
        git(&bare, None, &["config", "http.receivepack", "true"])
            .status
            .success()
    );
    let port = backend(root).await;
    let new = NewSystem {
        description: Some(FORGE.to_owned()),
        hosts: vec!["forge.example".to_owned()],
        port: Some(port),
        allow_private: true,
        ..NewSystem::default()
    };
    systems::add(house.app(), &name("forge"), &new, &name("alice"))
        .await
        .unwrap();
    let task = house.task(&["forge/*"], &["forge:acme/web"]).await;
    let proxy = format!("http://run:{}@{}", task.token, house.running.address);
    let url = format!("http://forge.example:{port}/acme/web.git");
    let work = house.folder.join("work");
    std::fs::create_dir_all(&work).unwrap();
    let run = |words: &[&str]| {
        let (work, proxy) = (work.clone(), proxy.clone());
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        tokio::task::spawn_blocking(move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            git(&work, Some(&proxy), &words)
        })
    };
    let commit = |n: usize, amend: bool| {
        std::fs::write(work.join("a.txt"), format!("{n}\n").repeat(2000)).unwrap();
        git(&work, None, &["add", "."]);
        let message = n.to_string();
        let mut words = vec!["commit", "-q", "-m", &message];
        if amend {
            words.push("--amend");
        }
        assert!(git(&work, None, &words).status.success());
    };
    let tip = |of: &Path, what: &str| {
        String::from_utf8(git(of, None, &["rev-parse", what]).stdout)
            .unwrap()
            .trim()
            .to_owned()
    };
    git(&work, None, &["init", "-q", "-b", "main"]);
    git(&work, None, &["remote", "add", "origin", &url]);
    commit(0, false);
    let pushed = run(&["push", "-q", "origin", "main"]).await.unwrap();
    assert!(
        pushed.status.success(),
        "a new branch: {}",
        String::from_utf8_lossy(&pushed.stderr)
    );
    (1..6).for_each(|n| commit(n, false));
    let pushed = run(&["push", "-q", "origin", "main", "HEAD:refs/heads/other"])
        .await
        .unwrap();
    assert!(
        pushed.status.success(),
        "forward: {}",
        String::from_utf8_lossy(&pushed.stderr)
    );
    let before = tip(&bare, "main");
    assert_eq!(before, tip(&work, "HEAD"));

    commit(7, true);
    for words in [
        &["push", "-q", "--force", "origin", "main"][..],
        &["push", "-q", "origin", "+main"],
        &["push", "-q", "origin", "--delete", "other"],
        &["push", "-q", "--mirror", "origin"],
    ] {
        let refused = run(words).await.unwrap();
        assert!(!refused.status.success(), "{words:?}");
        assert_eq!(tip(&bare, "main"), before, "{words:?}");
        assert_eq!(tip(&bare, "other"), before, "{words:?}");
    }
    let elsewhere = format!("http://forge.example:{port}/acme/secrets.git");
    assert!(!run(&["ls-remote", &elsewhere]).await.unwrap().status.success());
    let cloned = run(&["clone", "-q", &url, "again"]).await.unwrap();
    assert!(
        cloned.status.success(),
        "{}",
        String::from_utf8_lossy(&cloned.stderr)
    );
    assert_eq!(tip(&work.join("again"), "HEAD"), before);
    // A secret in what is pushed is found, packed as it is: in a file of its own, and added to one that is there already.
    let canary = "canary-value-7f3d91c2aa04";
    crate::known::keep(&house, "canary", None, canary).await;
    assert!(
        git(&work, None, &["reset", "-q", "--hard", &before])
            .status
            .success()
    );
    for file in ["notes.txt", "a.txt"] {
        let old = std::fs::read_to_string(work.join(file)).unwrap_or_default();
        std::fs::write(work.join(file), format!("{old}key = {canary}\n")).unwrap();
        git(&work, None, &["add", file]);
        assert!(git(&work, None, &["commit", "-q", "-m", "more"]).status.success());
        let refused = run(&["push", "-q", "origin", "main"]).await.unwrap();
        assert!(!refused.status.success(), "{file}");
        assert_eq!(tip(&bare, "main"), before, "{file}");
        git(&work, None, &["reset", "-q", "--hard", &before]);
    }
    let records = house
        .app()
        .store
        .read(|conn| remit_store::records::range(conn, 0, 1000))
        .await
        .unwrap();
    let said: String = records
        .iter()
        .map(|stored| String::from_utf8_lossy(&stored.leaf).into_owned())
        .collect();
    for expected in [
        "forge/git.push_rewrite",
        "forge/git.push_delete",
        "forge/git.fetch",
        "secret_leak",
        "forge:acme/web/refs/heads/main",
    ] {
        assert!(said.contains(expected), "{expected}");
    }
}
