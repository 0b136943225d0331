//! The egress door against what is built to be read in two ways: HTTP/2 that would be another request in HTTP/1.1, answers
//! that lead elsewhere, certificates of others, secrets in names; and HTTP/2 towards systems that offer it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use remit_server::broker::{decoy, placeholder, vault};
use remit_server::config::Config;
use remit_server::egress::systems::{self, NewSystem};
use remit_server::tasks::builtin;
use remit_server::tasks::open::Opened;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::egress::{Bed, PETS};
use crate::house::{House, dial, name};
use crate::upstream_stub::{Names, Upstream, certificate, environment};

/// A literal header field without indexing (RFC 7541, 6.2.2), lengths in one or two bytes.
fn field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.push(0);
    for text in [name, value] {
        match u8::try_from(text.len()) {
            Ok(short) if short < 127 => out.push(short),
            _ => out.extend([127, u8::try_from(text.len() - 127).unwrap()]),
        }
        out.extend_from_slice(text);
    }
}

/// One frame (RFC 9113, 4.1) on stream 1, or on the connection.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut out = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    out.extend([kind, flags]);
    out.extend(stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

impl Bed {
    /// TLS inside a tunnel to `pets.example`, as the run trusts it.
    async fn tunnel(
        &self,
        task: &Opened,
        alpn: &[u8],
    ) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
        let live = remit_server::engine::session::of_task(self.house.app(), task.task.id)
            .await
            .unwrap();
        let ca = self
            .house
            .app()
            .egress
            .authority(self.house.app(), &live)
            .unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(rustls::pki_types::CertificateDer::from_pem_slice(ca.pem().as_bytes()).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![alpn.to_vec()];
        let mut stream = dial(self.house.running.address).await;
        let authority = format!("pets.example:{}", self.upstream.port);
        let connect = format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nProxy-Authorization: Bearer {}\r\n\r\n",
            task.token
        );
        stream.write_all(connect.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(
            head.starts_with(b"HTTP/1.1 200"),
            "{}",
            String::from_utf8_lossy(&head)
        );
        let server = ServerName::try_from("pets.example").unwrap();
        tokio_rustls::TlsConnector::from(Arc::new(config))
            .connect(server, stream)
            .await
            .unwrap()
    }
}

/// What HTTP/1.1 would read as another request, or as another part of it, is none in HTTP/2: it is refused, or it goes out as
/// the one request it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_does_not_become_another_request_in_http1() {
    let bed = Bed::open("100ms", true).await;
    let task = bed.task().await;
    let authority = format!("pets.example:{}", bed.upstream.port);
    let body = br#"{"name":"a"}"#;
    let smuggled: &[u8] = b"0\r\n\r\nDELETE /pets/1 HTTP/1.1\r\nhost: pets.example\r\n\r\n";
    type Fields<'f> = Vec<(&'f str, &'f [u8])>;
    let plain = |more: &[(&'static str, &'static [u8])]| -> Fields<'_> {
        let mut fields: Fields<'_> = vec![
            (":method", b"POST"),
            (":scheme", b"https"),
            (":path", b"/pets/1"),
            (":authority", authority.as_bytes()),
            ("content-type", b"application/json"),
        ];
        fields.extend(more.iter().copied());
        fields
    };
    let instead = |key: &str, value: &'static [u8]| -> Fields<'_> {
        let mut fields = plain(&[]);
        for one in &mut fields {
            if one.0 == key {
                one.1 = value;
            }
        }
        fields
    };
    let cases: Vec<(&str, Fields<'_>, &[u8])> = vec![
        ("as it should be", plain(&[]), body),
        (
            "a coding of HTTP/1.1",
            plain(&[("transfer-encoding", b"chunked")]),
            smuggled,
        ),
        ("too short a length", plain(&[("content-length", b"2")]), smuggled),
        (
            "two lengths",
            plain(&[("content-length", b"12"), ("content-length", b"0")]),
            body,
        ),
        (
            "a line in a value",
            plain(&[("accept", b"a\r\ntransfer-encoding: chunked")]),
            body,
        ),
        (
            "a bare line feed",
            plain(&[("accept", b"a\nx-smuggled: 1")]),
            body,
        ),
        ("a line in a name", plain(&[("accept: a\r\nx", b"b")]), body),
        ("capitals", plain(&[("Transfer-Encoding", b"chunked")]), smuggled),
        (
            "a request in the path",
            instead(
                ":path",
                b"/pets/1 HTTP/1.1\r\nhost: pets.example\r\n\r\nDELETE /pets/1",
            ),
            body,
        ),
        ("a space in the path", instead(":path", b"/pets/1 /pets/2"), body),
        (
            "a request in the method",
            instead(":method", b"DELETE /pets/1 HTTP/1.1\r\nx:"),
            body,
        ),
        ("another authority", instead(":authority", b"evil.example"), body),
        ("another scheme", instead(":scheme", b"http"), body),
        ("two paths", plain(&[(":path", b"/pets/2")]), body),
        ("another host", plain(&[("host", b"evil.example")]), body),
        (
            "a connection header",
            plain(&[("connection", b"close, content-type")]),
            body,
        ),
        (
            "an upgrade",
            plain(&[("upgrade", b"h2c"), ("http2-settings", b"AAMAAABkAAQAAP__")]),
            body,
        ),
    ];
    for (what, fields, data) in cases {
        let before = bed.upstream.seen().len();
        let mut stream = bed.tunnel(&task, b"h2").await;
        let mut head = Vec::new();
        for (key, value) in &fields {
            field(&mut head, key.as_bytes(), value);
        }
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, 0, &[]));
        bytes.extend(frame(1, 4, 1, &head));
        bytes.extend(frame(0, 1, 1, data));
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        let _ = tokio::time::timeout(Duration::from_millis(700), stream.read_to_end(&mut answer)).await;
        let seen = bed.upstream.seen();
        let new = &seen[before..];
        assert!(new.len() <= 1, "{what}: {new:?}");
        assert!(
            what != "as it should be" || new.len() == 1,
            "the checker itself works"
        );
        for one in new {
            assert_eq!(one.line, "POST /pets/1 HTTP/1.1", "{what}");
            assert_eq!(one.body, body, "{what}");
            assert_eq!(one.header("host"), Some(authority.as_str()), "{what}");
            assert!(
                one.header("x-smuggled").is_none() && one.header("upgrade").is_none(),
                "{what}: {}",
                one.head
            );
        }
    }
}

/// What leads elsewhere is for the client to follow, and decided anew then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirects_are_handed_on_and_never_followed() {
    let bed = Bed::open("100ms", false).await;
    let task = bed.task().await;
    *bed.upstream.answer.lock().unwrap() = (
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: https://evil.example/in\r\n".to_owned(),
        String::new(),
    );
    let json_type = "Content-Type: application/json\r\n";
    let (status, _) = bed
        .base(&task.token, "POST /pets/1", json_type, r#"{"name":"Rex"}"#)
        .await;
    assert_eq!(status, 307);
    assert_eq!(
        (bed.upstream.seen().len(), bed.names.asked()),
        (1, vec!["pets.example".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_system_that_shows_anothers_certificate_gets_no_byte_of_the_request() {
    let house = House::open("100ms").await;
    let names = Names::default();
    let (config, roots) = certificate(&["other.example"]);
    let upstream = Upstream::start(Some(config)).await;
    house.app().dialler.set(environment(&names, roots)).ok().unwrap();
    let bed = Bed::of(house, upstream, names, true).await;
    let task = bed.task().await;
    let (status, said) = bed.base(&task.token, "GET /pets/1", "", "").await;
    assert_eq!(
        (status, said["outcome"].as_str()),
        (502, Some("failed")),
        "{said}"
    );
    assert!(bed.upstream.seen().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_bombs_and_batches_stop_at_the_door() {
    let bed = Bed::open("100ms", false).await;
    let task = bed.task().await;
    let json_type = "Content-Type: application/json\r\n";
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b' '; 64 * 1024 * 1024]).unwrap();
    let bomb = bomb.finish().unwrap();
    let address = bed.house.running.address;
    let mut request = format!(
        "POST /egress/pets/pets/1 HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {}\r\n{json_type}Content-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        task.token,
        bomb.len()
    )
    .into_bytes();
    request.extend_from_slice(&bomb);
    let answer = bed.raw(&request).await;
    assert!(
        answer.starts_with("HTTP/1.1 403") && answer.contains("not_inspectable"),
        "{answer}"
    );
    for line in [
        "GET /pets/1%0d%0aX-Injected:%201",
        "GET /pets/%00",
        "GET /pets/\u{ff0e}\u{ff0e}/pets/3",
        "GET /pets/%ef%bc%8e%ef%bc%8e/pets/3",
        "GET /pets/%u002e%u002e/3",
        "GET /pets/..;/pets/3",
        "GET /pets/1/.%2e/3",
        "GET /pets/%252e%252e/3",
        "GET /pets/%c0%ae%c0%ae/3",
    ] {
        let (status, said) = bed.base(&task.token, line, "", "").await;
        assert!(status == 403 || status == 400, "{line}: {status} {said}");
    }
    // A value may hold an encoded line: it stays one, encoded.
    let (status, _) = bed
        .base(&task.token, "GET /pets/1?note=a%0d%0aX-Injected:%201", "", "")
        .await;
    let seen = bed.upstream.seen();
    assert!(
        seen.len() <= 1 && (status == 403 || seen.len() == 1),
        "{status} {seen:?}"
    );
    assert!(seen.iter().all(|one| one.header("x-injected").is_none()));
}

/// A secret can be smuggled out in a name that is looked up: it is refused before that, and kept out of the record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_in_a_host_name_is_never_looked_up_nor_recorded() {
    const KEY: &str = "k9x4m2v7q1w8z5t3";
    let bed = Bed::open("100ms", false).await;
    let secret = vault::NewSecret {
        name: name("pets-key"),
        system: Some(name("pets")),
        account: None,
        value: vault::Given::Value(KEY.to_owned().into()),
    };
    vault::add(bed.house.app(), secret, &name("alice")).await.unwrap();
    let wide = NewSystem {
        description: Some(PETS.to_owned()),
        hosts: vec!["*.cdn.example".to_owned()],
        scheme: Some("http".to_owned()),
        port: Some(bed.upstream.port),
        allow_private: true,
        ..NewSystem::default()
    };
    systems::add(bed.house.app(), &name("cdn"), &wide, &name("alice"))
        .await
        .unwrap();
    let task = bed.house.task(&["pets/*", "cdn/*"], &[]).await;
    let port = bed.upstream.port;
    // It is looked for once it is in use.
    let mine = placeholder(bed.house.app(), task.task.run, &name("pets-key"));
    let used = format!(
        "GET http://pets.example:{port}/pets/1 HTTP/1.1\r\nHost: pets.example:{port}\r\nProxy-Authorization: Bearer {}\r\nAuthorization: Bearer {mine}\r\nConnection: close\r\n\r\n",
        task.token
    );
    assert!(bed.raw(used.as_bytes()).await.starts_with("HTTP/1.1 200"));
    for host in [format!("{KEY}.evil.example"), format!("{KEY}.cdn.example:{port}")] {
        for line in [format!("GET http://{host}/pets/1"), format!("CONNECT {host}")] {
            let answer = bed
                .raw(
                    format!(
                        "{line} HTTP/1.1\r\nHost: {host}\r\nProxy-Authorization: Bearer {}\r\nConnection: close\r\n\r\n",
                        task.token
                    )
                    .as_bytes(),
                )
                .await;
            assert!(answer.starts_with("HTTP/1.1 403"), "{line}: {answer}");
        }
    }
    assert_eq!(
        (bed.names.asked(), bed.upstream.seen().len()),
        (vec!["pets.example".to_owned()], 1)
    );
    let all = bed.decisions().await.concat();
    assert!(!all.contains(KEY), "the ledger is no place for it");
    assert!(all.contains("secret_leak"), "a finding says that it was tried");
}

/// What a placeholder of another run is worth: nothing, and a finding that names both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replayed_placeholders_are_findings_and_the_decoy_suspends() {
    let bed = Bed::open("100ms", false).await;
    let secret = vault::NewSecret {
        name: name("pets-key"),
        system: Some(name("pets")),
        account: None,
        value: vault::Given::Value("sk-live-4f9a7c1e2b8d6503".to_owned().into()),
    };
    vault::add(bed.house.app(), secret, &name("alice")).await.unwrap();
    let (task, other) = (bed.task().await, bed.task().await);
    let app = bed.house.app();
    let theirs = placeholder(app, other.task.run, &name("pets-key"));
    let port = bed.upstream.port;
    let ask = async |credential: &str| {
        let request = format!(
            "GET http://pets.example:{port}/pets/1 HTTP/1.1\r\nHost: pets.example:{port}\r\nProxy-Authorization: Bearer {}\r\nAuthorization: Bearer {credential}\r\nConnection: close\r\n\r\n",
            task.token
        );
        bed.raw(request.as_bytes()).await
    };
    assert!(ask(&theirs).await.contains("foreign_credential"));
    let findings = remit_server::findings::latest(app, 10).await.unwrap();
    assert_eq!(findings[0].kind, "placeholder_replayed");
    assert!(
        findings[0].message.contains(&task.task.run.to_string())
            && findings[0].message.contains(&other.task.run.to_string()),
        "{}",
        findings[0].message
    );
    // After its run has ended it leads nowhere either.
    remit_server::tasks::end::done(
        app,
        other.task.id,
        remit_core::task::Ending::Completed,
        &name("alice"),
    )
    .await
    .unwrap();
    assert!(ask(&theirs).await.contains("foreign_credential"));
    assert!(
        ask(&decoy(app, task.task.run))
            .await
            .contains("foreign_credential")
    );
    let mine = placeholder(app, task.task.run, &name("pets-key"));
    assert!(ask(&mine).await.contains("task_suspended"));
    let findings = remit_server::findings::latest(app, 10).await.unwrap();
    assert!(findings.iter().any(|finding| finding.kind == "decoy_used"));
    assert!(bed.upstream.seen().is_empty() && bed.names.asked().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_decoy_tool_is_in_no_list_and_its_call_suspends() {
    for listed in [false, true] {
        let mut config = Config::default();
        config.policy.list_decoy = listed;
        let house = House::open_with(config).await;
        house.add_stub().await;
        let (task, other) = (
            house.task(&["fs/read_file"], &["fs:/w"]).await,
            house.task(&["fs/read_file"], &["fs:/w"]).await,
        );
        let decoy = format!("remit__{}", builtin::decoy::name(house.app(), task.task.run));
        assert_ne!(
            decoy,
            format!("remit__{}", builtin::decoy::name(house.app(), other.task.run))
        );
        let (_, tools) = house.rpc(&task.token, "tools/list", json!({})).await;
        assert_eq!(tools.to_string().contains(&decoy), listed, "{tools}");
        // Of another run it is a tool nobody knows.
        let unknown = house.call(&other.token, &decoy, json!({})).await;
        assert_eq!(
            unknown["_meta"]["dev.remit/decision"]["reason"], "tool_quarantined",
            "{unknown}"
        );
        let refused = house.call(&task.token, &decoy, json!({})).await;
        assert_eq!(
            refused["_meta"]["dev.remit/decision"]["reason"], "out_of_authority",
            "{refused}"
        );
        assert!(!refused.to_string().contains("decoy"));
        let read = json!({"path": "/w/a"});
        let after = house.call(&task.token, "read_file", read.clone()).await;
        assert_eq!(
            after["_meta"]["dev.remit/decision"]["reason"], "task_suspended",
            "{after}"
        );
        let fine = house.call(&other.token, "read_file", read).await;
        assert_eq!(fine["isError"], Value::Null, "{fine}");
        let findings = remit_server::findings::latest(house.app(), 10).await.unwrap();
        assert!(
            findings
                .iter()
                .any(|f| f.kind == "decoy_used" && f.run == Some(task.task.run.to_string()))
        );
    }
}

/// Unknown hosts: let through while their class is observed, with what would have been decided; never otherwise.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_nobody_registered_is_observed_and_nothing_more() {
    let mut config = Config::default();
    config.hold.wait = "20ms".to_owned();
    config.policy.observe.insert("read".to_owned(), "1d".to_owned());
    let house = House::open_with(config).await;
    let names = Names::default();
    let (tls, roots) = certificate(&["pets.example", "news.example"]);
    let upstream = Upstream::start(Some(tls)).await;
    house.app().dialler.set(environment(&names, roots)).ok().unwrap();
    let bed = Bed::of(house, upstream, names, true).await;
    let task = bed.house.task(&["pets/*"], &[]).await;
    let port = bed.upstream.port;
    let live = remit_server::engine::session::of_task(bed.house.app(), task.task.id)
        .await
        .unwrap();
    let trust = bed.house.folder.join("ca.pem");
    std::fs::write(
        &trust,
        bed.house
            .app()
            .egress
            .authority(bed.house.app(), &live)
            .unwrap()
            .pem(),
    )
    .unwrap();
    let curl = async |words: &[&str]| {
        let proxy = format!("http://run:{}@{}", task.token, bed.house.running.address);
        let mut command = tokio::process::Command::new("curl");
        command.args([
            "-sS",
            "-m",
            "20",
            "-w",
            "\n%{http_code}",
            "--proxy",
            &proxy,
            "--cacert",
        ]);
        command.arg(&trust).args(words).env_remove("NO_PROXY");
        let Ok(out) = command.output().await else {
            return None;
        };
        Some(String::from_utf8_lossy(&out.stdout).into_owned())
    };
    let url = format!("https://news.example:{port}/today");
    let Some(read) = curl(&[&url]).await else {
        eprintln!("SKIPPED: no curl here");
        return;
    };
    // Its addresses are private here, and nobody allowed that: observed or not, it is not dialled.
    assert!(read.ends_with("502") && read.contains("not public"), "{read}");
    let records = bed.house.records().await;
    let observed = records
        .iter()
        .find(|record| record.lane.as_deref() == Some("observed") && record.kind == "decision")
        .unwrap();
    assert_eq!(observed.tool.as_deref(), Some("unknown-host/get"));
    assert_eq!(observed.decision.as_deref(), Some("allow"));
    let would = observed.detail.get("would").unwrap();
    assert_eq!(
        would.get("reason").unwrap().as_str(),
        Some("destination_not_allowed")
    );
    assert!(
        would
            .get("message")
            .unwrap()
            .as_str()
            .unwrap()
            .contains("news.example")
    );
    // A class that is enforced, and a task that does not read: as ever.
    let asked = bed.names.asked().len();
    let posted = curl(&["-d", "x=1", &url]).await.unwrap();
    assert!(
        posted.ends_with("403") && posted.contains("destination_not_allowed"),
        "{posted}"
    );
    assert_eq!(bed.names.asked().len(), asked);
    let house = bed.house.crash_and_restart("20ms").await;
    let answer = {
        let mut stream = dial(house.running.address).await;
        let connect = format!(
            "CONNECT news.example:{port} HTTP/1.1\r\nHost: news.example:{port}\r\nProxy-Authorization: Bearer {}\r\n\r\n",
            task.token
        );
        stream.write_all(connect.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        answer
    };
    assert_eq!(&answer, b"HTTP/1.1 403", "enforced again");
}

/// A system that speaks HTTP/2, and counts its connections.
async fn speaks_http2(tls: rustls::ServerConfig) -> (u16, Arc<AtomicUsize>) {
    let mut tls = tls;
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                count.fetch_add(1, Ordering::SeqCst);
                let echo = service_fn(async |request: Request<Incoming>| {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    let said = json!({
                        "version": format!("{:?}", head.version),
                        "uri": head.uri.to_string(),
                        "host": head.headers.get("host").is_some(),
                        "authorization": head.headers.get("authorization").map(|v| v.to_str().unwrap().len()),
                        "body": String::from_utf8_lossy(&body),
                    });
                    Ok::<_, hyper::Error>(Response::new(Full::new(Bytes::from(said.to_string()))))
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), echo)
                    .await;
            });
        }
    });
    (port, connections)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_spoken_to_systems_that_offer_it() {
    let house = House::open("100ms").await;
    let names = Names::default();
    let (config, roots) = certificate(&["pets.example"]);
    let (port, connections) = speaks_http2(rustls::ServerConfig::clone(&config)).await;
    house.app().dialler.set(environment(&names, roots)).ok().unwrap();
    let mut upstream = Upstream::start(None).await;
    upstream.port = port;
    let bed = Bed::of(house, upstream, names, true).await;
    let task = bed.task().await;
    let json_type = "Content-Type: application/json\r\n";
    let (status, said) = bed
        .base(&task.token, "POST /pets/1?a=b", json_type, r#"{"name":"Rex"}"#)
        .await;
    assert_eq!(status, 200);
    assert_eq!(
        said,
        json!({"version": "HTTP/2.0", "uri": format!("https://pets.example:{port}/pets/1?a=b"), "host": false,
            "authorization": null, "body": r#"{"name":"Rex"}"#})
    );
    let many = (0..20).map(|_| bed.base(&task.token, "GET /pets/2", "", ""));
    for (status, said) in futures_util::future::join_all(many).await {
        assert_eq!(
            (status, said["version"].as_str()),
            (200, Some("HTTP/2.0")),
            "{said}"
        );
    }
    assert_eq!(
        connections.load(Ordering::SeqCst),
        1,
        "one connection carries them all"
    );
}

/// Where a system makes repeating harmless by a key: the same request carries the same key while nobody knows what became of
/// the first, and another one once that is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_carries_the_key_of_what_it_repeats() {
    const BANK: &str = r#"
title = "Bank"
[[operations]]
name = "pay"
call = "POST /payments"
class = "write"
resources = ["payments"]
idempotency = "idempotency-key"
body = "json"
"#;
    let bed = Bed::open("100ms", false).await;
    let bank = NewSystem {
        description: Some(BANK.to_owned()),
        hosts: vec!["bank.example".to_owned()],
        scheme: Some("http".to_owned()),
        port: Some(bed.upstream.port),
        allow_private: true,
        ..NewSystem::default()
    };
    systems::add(bed.house.app(), &name("bank"), &bank, &name("alice"))
        .await
        .unwrap();
    let task = bed.house.task(&["bank/*"], &["bank:payments"]).await;
    let pay = async |more: &str| {
        let body = r#"{"amount":5}"#;
        let (host, length) = (bed.house.running.address, body.len());
        let request = format!(
            "POST /egress/bank/payments HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}",
            task.token
        );
        bed.raw(request.as_bytes()).await
    };
    let key = |number: usize| {
        bed.upstream.seen()[number]
            .header("idempotency-key")
            .unwrap()
            .to_owned()
    };
    let well = bed.upstream.answer.lock().unwrap().clone();
    *bed.upstream.answer.lock().unwrap() = ("HTTP/1.1 503 Service Unavailable\r\n".to_owned(), String::new());
    assert!(pay("").await.starts_with("HTTP/1.1 503"));
    *bed.upstream.answer.lock().unwrap() = well;
    assert!(pay("").await.starts_with("HTTP/1.1 200"));
    assert_eq!(key(0), key(1), "the second repeats the first");
    assert!(pay("").await.starts_with("HTTP/1.1 200"));
    assert_ne!(key(1), key(2), "what became of it is known: another payment");
    assert!(pay("Idempotency-Key: mine\r\n").await.starts_with("HTTP/1.1 200"));
    assert_eq!(key(3), "mine");
}
