//! The egress proxy end to end: base-URL mode, plain proxy, interception, holds, hostile framing, a DNS log.

use std::process::{Command, Output};
use std::time::Duration;

use remit_server::approvals::vote::{self, Reach};
use remit_server::egress::systems::{self, NewSystem};
use remit_server::evidence::verify::verify;
use remit_server::tasks::open::Opened;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::house::{House, dial, name};
use crate::upstream_stub::{Names, Upstream, certificate, environment};

pub const PETS: &str = r#"
title = "Pets"
credentials = [{ header = "authorization", schemes = ["bearer"] }, { query = "key" }]
[[operations]]
name = "pets.get"
call = "GET,HEAD /pets/{id}"
class = "read"
resources = ["pets/{id}"]
[[operations]]
name = "pets.write"
call = "POST /pets/{id}"
class = "write"
resources = ["pets/{id}"]
[operations.fields]
"body.name" = { type = "string", required = true }
[[operations]]
name = "pets.mail"
call = "POST /pets/{id}/mail"
class = "transfer"
strict = true
resources = ["pets/{id}"]
[operations.fields]
"body.to" = { type = "string", required = true, role = "mail" }
"body.text" = { type = "string", role = "content" }
[[operations]]
name = "pets.delete"
call = "DELETE /pets/{id}"
class = "delete"
resources = ["pets/{id}"]
"#;

pub struct Bed {
    pub house: House,
    pub upstream: Upstream,
    pub names: Names,
}

impl Bed {
    pub async fn open(wait: &str, tls: bool) -> Self {
        let house = House::open(wait).await;
        let names = Names::default();
        let (upstream, roots) = if tls {
            let (config, roots) = certificate(&["pets.example", "zoo.example"]);
            (Upstream::start(Some(config)).await, roots)
        } else {
            (Upstream::start(None).await, rustls::RootCertStore::empty())
        };
        house.app().dialler.set(environment(&names, roots)).ok().unwrap();
        Self::of(house, upstream, names, tls).await
    }

    /// Another system in the place of the pets.
    pub async fn described(wait: &str, description: &str) -> Self {
        let house = House::open(wait).await;
        let (names, upstream) = (Names::default(), Upstream::start(None).await);
        let dialler = environment(&names, rustls::RootCertStore::empty());
        house.app().dialler.set(dialler).ok().unwrap();
        Self::with(house, upstream, names, false, description).await
    }

    /// The same with a house and an upstream that are there already.
    pub async fn of(house: House, upstream: Upstream, names: Names, tls: bool) -> Self {
        Self::with(house, upstream, names, tls, PETS).await
    }

    async fn with(house: House, upstream: Upstream, names: Names, tls: bool, description: &str) -> Self {
        let new = NewSystem {
            description: Some(description.to_owned()),
            hosts: vec!["pets.example".to_owned()],
            scheme: Some(if tls { "https" } else { "http" }.to_owned()),
            port: Some(upstream.port),
            allow_private: true,
            ..NewSystem::default()
        };
        systems::add(house.app(), &name("pets"), &new, &name("alice"))
            .await
            .unwrap();
        Self {
            house,
            upstream,
            names,
        }
    }

    pub async fn task(&self) -> Opened {
        self.house
            .task(&["pets/*"], &["pets:pets/1", "pets:pets/2"])
            .await
    }

    /// Bytes to our listener, whatever comes back until it closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = dial(self.house.running.address).await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// One request in base-URL mode: status and body.
    pub async fn base(&self, token: &str, line: &str, more: &str, body: &str) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let address = self.house.running.address;
        let answer = self
            .raw(
                format!(
                    "{method} /egress/pets{path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                )
                .as_bytes(),
            )
            .await;
        read(&answer)
    }

    /// One request in base-URL mode with whatever body.
    pub async fn bytes(&self, token: &str, line: &str, kind: &str, body: &[u8]) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let head = format!(
            "{method} /egress/pets{path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            self.house.running.address,
            body.len()
        );
        read(&self.raw(&[head.as_bytes(), body].concat()).await)
    }

    pub async fn decisions(&self) -> Vec<String> {
        let records = self
            .house
            .app()
            .store
            .read(|conn| remit_store::records::range(conn, 0, 1000))
            .await
            .unwrap();
        records
            .iter()
            .map(|stored| String::from_utf8_lossy(&stored.leaf).into_owned())
            .collect()
    }
}

fn read(answer: &str) -> (u16, Value) {
    let status = answer.split(' ').nth(1).unwrap_or("0").parse().unwrap_or(0);
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let start = body.find('{').unwrap_or(body.len());
    let end = body.rfind('}').map_or(body.len(), |end| end + 1);
    (
        status,
        serde_json::from_str(body.get(start..end).unwrap_or_default()).unwrap_or(Value::Null),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_task_allows_is_sent_and_the_rest_never_leaves() {
    let bed = Bed::open("100ms", false).await;
    let task = bed.task().await;
    let token = &task.token;

    let (status, body) = bed
        .base(
            token,
            "GET /pets/1?verbose=a+b",
            "X-Trace: 1\r\nAccept: application/json\r\n",
            "",
        )
        .await;
    assert_eq!((status, &body["ok"]), (200, &json!(true)), "{body}");
    let seen = bed.upstream.seen();
    assert_eq!(seen[0].line, "GET /pets/1?verbose=a%20b HTTP/1.1");
    assert_eq!(
        seen[0].header("host"),
        Some(format!("pets.example:{}", bed.upstream.port).as_str())
    );
    assert_eq!(
        seen[0].header("authorization"),
        None,
        "the run's token stays here"
    );
    assert_eq!(
        seen[0].header("x-trace"),
        None,
        "what is not in the call is not sent"
    );

    let json_type = "Content-Type: application/json\r\n";
    let (status, _) = bed
        .base(token, "POST /pets/2", json_type, r#"{"name":"Rex","age":3}"#)
        .await;
    assert_eq!(status, 200);
    assert_eq!(bed.upstream.seen()[1].body, br#"{"name":"Rex","age":3}"#);
    assert_eq!(
        bed.names.asked().len(),
        1,
        "the second request went over the first one's connection"
    );

    let before = bed.names.asked();
    for (line, more, body, reason) in [
        ("GET /pets/3", "", "", "out_of_authority"),
        ("GET /owners/1", "", "", "out_of_authority"),
        ("PUT /pets/1", "", "", "out_of_authority"),
        ("GET /pets/%2e%2e/pets/1", "", "", "not_inspectable"),
        ("GET /pets/1%2f..%2f3", "", "", "not_inspectable"),
        ("GET /pets//1", "", "", "not_inspectable"),
        (
            "POST /pets/1",
            json_type,
            r#"{"name":"a","name":"b"}"#,
            "not_inspectable",
        ),
        ("POST /pets/1", json_type, r#"{"age":1}"#, "parameter_violation"),
        (
            "POST /pets/1",
            "Content-Type: text/xml\r\n",
            "<name/>",
            "not_inspectable",
        ),
        (
            "POST /pets/1",
            "Content-Type: application/json\r\nContent-Encoding: br\r\n",
            "x",
            "not_inspectable",
        ),
        (
            "POST /pets/1/mail",
            json_type,
            r#"{"to":"a@example.org","bcc":"evil@example.org"}"#,
            "parameter_violation",
        ),
        (
            "POST /pets/1",
            "X-HTTP-Method-Override: DELETE\r\nContent-Type: application/json\r\n",
            r#"{"name":"a"}"#,
            "not_inspectable",
        ),
        ("GET /pets/1", "Upgrade: websocket\r\n", "", "not_inspectable"),
        (
            "GET /pets/1",
            "Cookie: session=stolen\r\n",
            "",
            "foreign_credential",
        ),
        ("GET /pets/1", "X-Api-Key: stolen\r\n", "", "foreign_credential"),
        ("GET /pets/1?key=stolen", "", "", "foreign_credential"),
    ] {
        let (status, said) = bed.base(token, line, more, body).await;
        assert_eq!(
            (status, said["reason"].as_str()),
            (403, Some(reason)),
            "{line}: {said}"
        );
        assert_eq!(said["decision"], "deny", "{said}");
        assert!(
            said["decision_id"].as_str().unwrap().starts_with("dec_"),
            "{said}"
        );
    }
    assert_eq!(
        bed.upstream.seen().len(),
        2,
        "nothing refused may reach the system"
    );
    assert_eq!(
        bed.names.asked(),
        before,
        "no name is looked up for what is refused"
    );
    let (status, _) = bed.base("remit_wrong", "GET /pets/1", "", "").await;
    assert_eq!(status, 401);
    let all = bed.decisions().await.concat();
    assert!(!all.contains("stolen") && !all.contains(token.as_str()));
    assert!(verify(bed.house.app(), None).await.unwrap().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_held_request_waits_with_its_body_and_is_sent_once() {
    let bed = Bed::open("100ms", false).await;
    let task = bed.task().await;
    let (status, held) = bed
        .base(
            &task.token,
            "POST /pets/1/mail",
            "Content-Type: application/json\r\n",
            r#"{"to":"vet@example.org","text":"hello"}"#,
        )
        .await;
    assert_eq!((status, held["decision"].as_str()), (202, Some("hold")), "{held}");
    let id = held["approval_id"].as_str().unwrap().to_owned();
    assert!(bed.upstream.seen().is_empty() && bed.names.asked().is_empty());
    let stored = vote::get(bed.house.app(), id.parse().unwrap()).await.unwrap();
    assert!(
        stored.card.contains("vet@example.org") && stored.card.contains("pets:pets/1"),
        "{}",
        stored.card
    );

    // It waits across a crash.
    let Bed {
        house,
        upstream,
        names,
    } = bed;
    let house = house.crash_and_restart("5s").await;
    house
        .app()
        .dialler
        .set(environment(&names, rustls::RootCertStore::empty()))
        .ok()
        .unwrap();
    let bed = Bed {
        house,
        upstream,
        names,
    };
    vote::approve(
        bed.house.app(),
        id.parse().unwrap(),
        Reach::Once,
        String::new(),
        &name("alice"),
    )
    .await
    .unwrap();
    for _ in 0..2 {
        let address = bed.house.running.address;
        let answer = bed
            .raw(
                format!(
                    "GET /egress/-/approvals/{id} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
                    task.token
                )
                .as_bytes(),
            )
            .await;
        assert_eq!(read(&answer), (200, json!({"ok": true})), "{answer}");
    }
    let seen = bed.upstream.seen();
    assert_eq!(seen.len(), 1, "an approved request is sent once");
    assert_eq!(seen[0].body, br#"{"to":"vet@example.org","text":"hello"}"#);
}

/// However two requests are hidden in one, what reaches the system was decided on its own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn smuggled_requests_do_not_reach_the_system() {
    let bed = Bed::open("100ms", false).await;
    let task = bed.task().await;
    let host = bed.house.running.address;
    let head = |path: &str| {
        format!(
            "POST /egress/pets{path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
            task.token
        )
    };
    let body = r#"{"name":"a"}"#;
    let inner = format!("DELETE /egress/pets/pets/1 HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let chunk = format!("{:x}\r\n{body}\r\n", body.len());
    let corpus = [
        format!(
            "{}Content-Length: {}\r\nContent-Length: 0\r\n\r\n{body}{inner}",
            head("/pets/1"),
            body.len()
        ),
        format!(
            "{}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}0\r\n\r\n{inner}",
            head("/pets/1"),
            body.len()
        ),
        format!(
            "{}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n{chunk}0\r\n\r\n{inner}",
            head("/pets/1")
        ),
        format!(
            "{}Transfer-Encoding: xchunked\r\n\r\n{chunk}0\r\n\r\n{inner}",
            head("/pets/1")
        ),
        format!(
            "{}Transfer-Encoding : chunked\r\n\r\n{chunk}0\r\n\r\n{inner}",
            head("/pets/1")
        ),
        format!(
            "{}Transfer-Encoding: chunked\r\n\r\n+{chunk}0\r\n\r\n{inner}",
            head("/pets/1")
        ),
        format!(
            "{}Transfer-Encoding: chunked\r\n\r\n0x{chunk}0\r\n\r\n{inner}",
            head("/pets/1")
        ),
        format!(
            "{}Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{body}\r\n0\r\n\r\n{inner}",
            head("/pets/1")
        ),
        format!(
            "{}Transfer-Encoding: chunked\r\n\r\n{chunk}0\r\nX-Late: 1\r\n\r\n{inner}",
            head("/pets/1")
        ),
        format!(
            "{}Content-Length: +{}\r\n\r\n{body}{inner}",
            head("/pets/1"),
            body.len()
        ),
        format!(
            "{}Content-Length: {} \r\n , 5\r\n\r\n{body}{inner}",
            head("/pets/1"),
            body.len()
        ),
        format!(
            "{}X-A: b\r\n\tContent-Length: 5\r\nContent-Length: {}\r\n\r\n{body}{inner}",
            head("/pets/1"),
            body.len()
        ),
        format!(
            "{}X-A: b\rContent-Length: 5\r\nContent-Length: {}\r\n\r\n{body}{inner}",
            head("/pets/1"),
            body.len()
        ),
        format!("POST /egress/pets/pets/1\u{0} HTTP/1.1\r\nHost: {host}\r\n\r\n{inner}"),
        format!(
            "GET http://pets.example:{}/pets/1 HTTP/1.1\r\nHost: other.example\r\nProxy-Authorization: Bearer {}\r\nConnection: close\r\n\r\n",
            bed.upstream.port, task.token
        ),
        format!(
            "GET http://pets.example:{}@127.0.0.1/pets/1 HTTP/1.1\r\nHost: pets.example\r\nProxy-Authorization: Bearer {}\r\nConnection: close\r\n\r\n",
            bed.upstream.port, task.token
        ),
    ];
    for (number, request) in corpus.iter().enumerate() {
        let before = bed.upstream.seen().len();
        let answer = tokio::time::timeout(Duration::from_secs(15), bed.raw(request.as_bytes())).await;
        let seen = bed.upstream.seen();
        let new = &seen[before..];
        assert!(new.len() <= 1, "number {number}: {answer:?}");
        for one in new {
            assert_eq!(one.line, "POST /pets/1 HTTP/1.1", "number {number}");
            assert_eq!(one.body, body.as_bytes(), "number {number}");
        }
    }
    assert!(
        !bed.upstream
            .seen()
            .iter()
            .any(|seen| seen.line.starts_with("DELETE"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_client_is_intercepted_over_both_versions_of_http() {
    let bed = Bed::open("100ms", true).await;
    let task = bed.task().await;
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("skipped: no curl here");
        return;
    }
    let live = remit_server::engine::session::of_task(bed.house.app(), task.task.id)
        .await
        .unwrap();
    // What curl connects with descends from us: that is what the kernel says, and what is recorded.
    let own = remit_confine::ProcessId::own().unwrap();
    let process = remit_store::runs::Process {
        pid: i64::from(own.pid),
        started: i64::try_from(own.start_time).unwrap(),
        uid: 0,
    };
    remit_server::tasks::process::attest(
        bed.house.app(),
        task.task.run,
        process,
        remit_core::confinement::Confinement::None,
    )
    .await
    .unwrap();
    let ca = bed.house.app().egress.authority(bed.house.app(), &live).unwrap();
    let trust = bed.house.folder.join("ca.pem");
    std::fs::write(&trust, ca.pem()).unwrap();
    let proxy = format!("http://run:{}@{}", task.token, bed.house.running.address);
    let (port, address) = (bed.upstream.port, trust.clone());
    let curl = move |words: Vec<String>| {
        let (proxy, trust) = (proxy.clone(), address.clone());
        tokio::task::spawn_blocking(move || -> Output {
            Command::new("curl")
                .args([
                    "-sS",
                    "-m",
                    "20",
                    "-w",
                    "\n%{http_code} %{http_version} %{http_connect}",
                    "--proxy",
                    &proxy,
                ])
                .arg("--cacert")
                .arg(trust)
                .args(words)
                .env_remove("NO_PROXY")
                .output()
                .unwrap()
        })
    };
    let url = |path: &str| format!("https://pets.example:{port}{path}");
    for (flag, version) in [("--http1.1", "1.1"), ("--http2", "2")] {
        let out = curl(vec![flag.into(), url("/pets/1")]).await.unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert_eq!(text, format!("{{\"ok\":true}}\n200 {version} 200"), "{out:?}");
    }
    let long = "x".repeat(6 * 1024 * 1024);
    let file = bed.house.folder.join("long.bin");
    std::fs::write(&file, format!("{{\"name\":\"{long}\"}}")).unwrap();
    let out = curl(vec![
        "-H".into(),
        "content-type: application/json".into(),
        "--data-binary".into(),
        format!("@{}", file.display()),
        url("/pets/1"),
    ])
    .await
    .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        text.contains("not_inspectable") && text.ends_with("403 2 200"),
        "{text}"
    );

    let asked = bed.names.asked().len();
    let out = curl(vec!["-X".into(), "DELETE".into(), url("/pets/1")])
        .await
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(
        text.contains("approval_required") && text.ends_with("202 2 200"),
        "{text}"
    );
    // A host nobody registered, a neighbour, and one behind an odd spelling: refused at the door, never looked up.
    for other in [
        "https://evil.example/",
        "https://10.0.0.7:8443/",
        "https://169.254.169.254/latest/meta-data",
        "https://pets.example./pets/1",
    ] {
        let out = curl(vec![other.into()]).await.unwrap();
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        assert!(text.ends_with("000 0 403"), "{other}: {text} {out:?}");
    }
    assert_eq!(bed.names.asked().len(), asked);
    assert_eq!(bed.upstream.seen().len(), 2);
    let records = bed.decisions().await.concat();
    assert!(records.contains("destination_not_allowed") && records.contains("host:169.254.169.254"));
    let inside = remit_server::evidence::of_task(bed.house.app(), task.task.id, 0, 1_000)
        .await
        .unwrap();
    let inside: Vec<_> = inside.iter().filter(|record| record.kind == "decision").collect();
    assert!(inside.len() > 4);
    for record in inside {
        assert_eq!(record.proof.as_deref(), Some("peer"), "{record:?}");
    }

    // The authority goes, and so does everything.
    remit_server::tasks::end::done(
        bed.house.app(),
        task.task.id,
        remit_core::task::Ending::Completed,
        &name("alice"),
    )
    .await
    .unwrap();
    let out = curl(vec![url("/pets/1")]).await.unwrap();
    assert!(
        String::from_utf8_lossy(&out.stdout).ends_with("000 0 407"),
        "{out:?}"
    );
}

/// The key appears on the far side alone: not in the request of the agent, not in the records, not in an answer that echoes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_placeholder_becomes_the_key_behind_the_decision_alone() {
    use remit_server::broker::{placeholder, vault};
    const KEY: &str = "sk-live-4f9a7c1e2b8d6503";
    let bed = Bed::open("100ms", false).await;
    let secret = vault::NewSecret {
        name: name("pets-key"),
        system: Some(name("pets")),
        account: None,
        value: vault::Given::Value(KEY.to_owned().into()),
    };
    vault::add(bed.house.app(), secret, &name("alice")).await.unwrap();
    let (task, other) = (bed.task().await, bed.task().await);
    let mine = placeholder(bed.house.app(), task.task.run, &name("pets-key"));
    let theirs = placeholder(bed.house.app(), other.task.run, &name("pets-key"));
    *bed.upstream.answer.lock().unwrap() = (
        format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-echo: {KEY}\r\n"),
        format!(
            "you said Bearer {KEY}, in hex {}",
            KEY.bytes().map(|b| format!("{b:02x}")).collect::<String>()
        ),
    );
    let ask = |credential: String, path: &str| {
        let port = bed.upstream.port;
        format!(
            "GET http://pets.example:{port}{path} HTTP/1.1\r\nHost: pets.example:{port}\r\nProxy-Authorization: Bearer {}\r\n{credential}Connection: close\r\n\r\n",
            task.token
        )
    };
    let answer = bed
        .raw(ask(format!("Authorization: Bearer {mine}\r\n"), "/pets/1").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let bearer = format!("Bearer {KEY}");
    assert_eq!(
        bed.upstream.seen()[0].header("authorization"),
        Some(bearer.as_str())
    );
    assert!(
        !answer.contains(KEY) && answer.matches("[removed by remit]").count() == 3,
        "{answer}"
    );
    let answer = bed
        .raw(ask(String::new(), &format!("/pets/1?key={mine}")).as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(
        bed.upstream.seen()[1].line,
        format!("GET /pets/1?key={KEY} HTTP/1.1")
    );
    for (credential, path) in [
        (
            format!("Authorization: Bearer {theirs}\r\n"),
            "/pets/1".to_owned(),
        ),
        (format!("Authorization: Bearer {KEY}\r\n"), "/pets/1".to_owned()),
        (format!("X-Api-Key: {mine}\r\n"), "/pets/1".to_owned()),
        (format!("Cookie: {mine}\r\n"), "/pets/1".to_owned()),
    ] {
        let answer = bed.raw(ask(credential, &path).as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.1 403") && answer.contains("foreign_credential"),
            "{answer}"
        );
    }
    assert_eq!(bed.upstream.seen().len(), 2);
    let all = bed.decisions().await.concat();
    assert!(!all.contains(KEY) && !all.contains(&mine) && !all.contains(&theirs));
}

/// Halves of a key would each pass: with a credential, and where nobody said that a system gives parts, the whole is asked for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_comes_back_neither_in_parts_nor_escaped() {
    use remit_server::broker::{placeholder, vault};
    const KEY: &str = "ab+cd/efGH12345==";
    let bed = Bed::open("100ms", false).await;
    let secret = vault::NewSecret {
        name: name("pets-key"),
        system: Some(name("pets")),
        account: None,
        value: vault::Given::Value(KEY.to_owned().into()),
    };
    vault::add(bed.house.app(), secret, &name("alice")).await.unwrap();
    let task = bed.task().await;
    let mine = placeholder(bed.house.app(), task.task.run, &name("pets-key"));
    let port = bed.upstream.port;
    let ask = |more: &str| {
        format!(
            "GET http://pets.example:{port}/pets/1 HTTP/1.1\r\nHost: pets.example:{port}\r\nProxy-Authorization: Bearer {}\r\n{more}Connection: close\r\n\r\n",
            task.token
        )
    };
    let credential = format!("Authorization: Bearer {mine}\r\n");
    let part = "Range: bytes=0-22\r\nIf-Range: \"a\"\r\n";
    for more in [part.to_owned(), format!("{credential}{part}")] {
        let answer = bed.raw(ask(&more).as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }
    for seen in bed.upstream.seen() {
        assert_eq!((seen.header("range"), seen.header("if-range")), (None, None));
    }
    for echo in [
        r"ab+cd\/efGH12345==",
        r"ab\u002Bcd/efGH12345==",
        "ab+cd&#x2F;efGH12345&#x3D;&#x3D;",
        "ab%2Bcd/efGH12345%3D%3D",
    ] {
        *bed.upstream.answer.lock().unwrap() = (
            format!("HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nx-echo: {echo}\r\n"),
            format!("<{echo}>"),
        );
        let answer = bed.raw(ask(&credential).as_bytes()).await;
        assert!(
            answer.contains("x-echo: [removed by remit]\r\n") && answer.contains("<[removed by remit]>"),
            "{echo}: {answer}"
        );
    }
}
