//! Proof per call: a token is worth nothing to whoever is not the run it belongs to, and the attempt is kept.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use remit_confine::ProcessId;
use remit_core::confinement::{BoundKey, Confinement};
use remit_core::digest::Digest;
use remit_core::json::{Object, Value as Json};
use remit_core::object;
use remit_identity::{SigningKey, base64url};
use remit_server::app::Failure;
use remit_server::attest::bind::{Shown, await_run, bind};
use remit_server::findings;
use remit_store::runs::Process;
use serde_json::json;

use crate::house::House;

fn key(byte: u8) -> SigningKey {
    SigningKey::from_seed(&[byte; 32]).unwrap()
}

fn shown(key: &SigningKey) -> Shown {
    Shown {
        key: BoundKey::Jkt(key.kid().into()),
        identity: None,
        attestor: "test".to_owned(),
        shared: false,
        own_client: false,
        remote: false,
        enrolment: None,
    }
}

fn members(value: Json) -> Object {
    match value {
        Json::Object(members) => members,
        _ => Object::new(),
    }
}

fn proof(house: &House, key: &SigningKey, token: &str, jti: &str, nonce: Option<&str>) -> String {
    let mut jwk = key.public().to_jwk();
    jwk.retain(|name, _| ["kty", "crv", "x", "y"].contains(&name));
    let header = members(object! { "typ": "dpop+jwt", "alg": "ES256", "jwk": Json::Object(jwk) });
    let mut claims = members(object! {
        "htm": "POST", "htu": format!("http://{}/mcp/fs", house.running.address), "jti": jti,
        "iat": house.app().clock.now().0 / 1000,
        "ath": base64url(Digest::of(token.as_bytes()).as_bytes()),
    });
    if let Some(nonce) = nonce {
        claims.insert("nonce", nonce);
    }
    key.sign_parts(&header, &claims).unwrap()
}

/// Status, challenge and nonce of a `tools/list` with these header lines.
async fn ask(house: &House, headers: &str) -> (u16, String, Option<String>) {
    let answer = house.ask(headers, "tools/list", json!({})).await;
    let field = |name: &str| {
        answer.lines().find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then(|| value.to_owned())
        })
    };
    let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        field("www-authenticate").unwrap_or_default(),
        field("dpop-nonce"),
    )
}

async fn kinds(house: &House) -> Vec<String> {
    let found = findings::latest(house.app(), 100).await.unwrap();
    let mut kinds: Vec<String> = found.into_iter().map(|finding| finding.kind).collect();
    kinds.sort();
    kinds
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_bound_to_a_key_is_worth_nothing_without_it() {
    let house = House::open("100ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    await_run(house.app(), task.task.run).await.unwrap();
    // Until somebody has shown what it is, the token that was made at opening is nobody's.
    let (status, ..) = ask(&house, &format!("Authorization: Bearer {}\r\n", task.token)).await;
    assert_eq!(status, 401);
    let token = bind(house.app(), task.task.run, shown(&key(1))).await.unwrap();

    // A proof as old as the start must show a nonce first; the answer hands it out.
    let with = |proof: &str| format!("Authorization: DPoP {token}\r\nDPoP: {proof}\r\n");
    let (status, challenge, nonce) = ask(&house, &with(&proof(&house, &key(1), &token, "a", None))).await;
    let nonce = match status {
        200 => house.app().nonces.at(house.app().clock.now()),
        _ => {
            assert!(challenge.contains("use_dpop_nonce"), "{challenge}");
            nonce.unwrap()
        }
    };
    let good = proof(&house, &key(1), &token, "b", Some(&nonce));
    assert_eq!(ask(&house, &with(&good)).await.0, 200);
    assert_eq!(kinds(&house).await, Vec::<String>::new());

    // The very same proof again, the token alone, the token with a thief's key, a proof for another token.
    let (status, challenge, _) = ask(&house, &with(&good)).await;
    assert!(
        status == 401 && challenge.contains("invalid_dpop_proof"),
        "{challenge}"
    );
    let (status, challenge, _) = ask(&house, &format!("Authorization: Bearer {token}\r\n")).await;
    assert!(
        status == 401 && challenge.starts_with("DPoP error=\"invalid_token\""),
        "{challenge}"
    );
    assert!(challenge.contains("algs=\"ES256"), "{challenge}");
    let stolen = proof(&house, &key(2), &token, "c", Some(&nonce));
    let (status, challenge, _) = ask(&house, &with(&stolen)).await;
    assert!(
        status == 401 && challenge.contains("invalid_token"),
        "{challenge}"
    );
    let other = proof(&house, &key(1), "remit_other", "d", Some(&nonce));
    let (status, challenge, _) = ask(&house, &with(&other)).await;
    assert!(
        status == 401 && challenge.contains("invalid_dpop_proof"),
        "{challenge}"
    );
    assert_eq!(
        ask(&house, &format!("Authorization: DPoP {token}\r\n")).await.0,
        401
    );

    assert_eq!(
        kinds(&house).await,
        ["key_mismatch", "proof_missing", "proof_replayed"]
    );
    let found = findings::latest(house.app(), 100).await.unwrap();
    let stolen = found
        .iter()
        .find(|finding| finding.kind == "key_mismatch")
        .unwrap();
    assert!(
        stolen.message.contains(key(1).kid()) && stolen.message.contains(key(2).kid()),
        "{stolen:?}"
    );
    assert_eq!(stolen.run.as_deref(), Some(task.task.run.to_string().as_str()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_is_one_run_and_a_second_one_is_named() {
    let house = House::open("100ms").await;
    let (first, second) = (
        house.task(&["fs/*"], &["fs:/srv/a"]).await.task.run,
        house.task(&["fs/*"], &["fs:/srv/b"]).await.task.run,
    );
    bind(house.app(), first, shown(&key(1))).await.unwrap();
    // The same run cannot be taken over, and the key cannot be lent.
    assert!(matches!(
        bind(house.app(), first, shown(&key(2))).await,
        Err(Failure::Conflict(_))
    ));
    let Err(Failure::Conflict(message)) = bind(house.app(), second, shown(&key(1))).await else {
        panic!("a key was bound twice")
    };
    assert!(
        message.contains(&first.to_string()) && message.contains(&second.to_string()),
        "{message}"
    );
    assert_eq!(kinds(&house).await, ["key_shared"]);
    // 32 at once: one is bound.
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..32 {
        let app = house.app().clone();
        let run = second;
        tries.spawn(async move { bind(&app, run, shown(&key(3))).await.is_ok() });
    }
    assert_eq!(tries.join_all().await.into_iter().filter(|ok| *ok).count(), 1);
}

/// A run's process: it connects, sends what it is told, and prints the status line.
fn child(port: u16, request: &str) -> Child {
    let script = r#"read -r _; exec 3<>"/dev/tcp/127.0.0.1/$1"; printf "$2" >&3; read -r status <&3; echo "$status"; read -r _"#;
    Command::new("bash")
        .args(["-c", script, "bash", &port.to_string(), request])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_a_run_started_here_works_in_its_processes_alone() {
    use std::io::Write as _;
    let house = House::open("100ms").await;
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    let port = house.running.address.port();
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let request = format!(
        "POST /mcp/fs HTTP/1.1\\r\\nHost: 127.0.0.1:{port}\\r\\nAuthorization: Bearer {}\\r\\nContent-Type: \
         application/json\\r\\nAccept: application/json, text/event-stream\\r\\nMCP-Protocol-Version: \
         2026-07-28\\r\\nMcp-Method: tools/list\\r\\nContent-Length: {}\\r\\n\\r\\n{}",
        task.token,
        body.len(),
        body.replace('"', "\\\"")
    );
    let mut run = child(port, &request.replace("\\\"", "\""));
    let id = ProcessId::of(run.id()).unwrap();
    let process = Process {
        pid: i64::from(id.pid),
        started: i64::try_from(id.start_time).unwrap(),
        uid: 0,
    };
    remit_server::tasks::process::attest(house.app(), task.task.run, process, Confinement::None)
        .await
        .unwrap();
    run.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    let mut out = BufReader::new(run.stdout.take().unwrap());
    let mut status = String::new();
    tokio::task::block_in_place(|| out.read_line(&mut status)).unwrap();
    assert!(status.contains("200"), "{status}");

    // We are not that process: the same token, from here.
    let (status, challenge, _) = ask(&house, &format!("Authorization: Bearer {}\r\n", task.token)).await;
    assert!(
        status == 401 && challenge.contains("invalid_token"),
        "{status} {challenge}"
    );
    let found = findings::latest(house.app(), 10).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].kind, "identity_anomaly");
    let own = format!("process {}", std::process::id());
    assert!(
        found[0].message.contains(&own) && found[0].message.contains(&id.pid.to_string()),
        "{found:?}"
    );

    // A second process with its identity is refused as well.
    let other = Process { pid: 1, ..process };
    assert!(matches!(
        remit_server::tasks::process::attest(house.app(), task.task.run, other, Confinement::None).await,
        Err(Failure::Conflict(_))
    ));
    run.stdin.take().unwrap().write_all(b"done\n").unwrap();
    run.wait().unwrap();
}

/// `tools/list` over the agents' Unix socket.
async fn over_socket(house: &House, token: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = house.app().paths.agents_socket();
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let request = crate::tls_client::list(house.running.address, token);
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_the_unix_socket_the_kernel_names_who_asks() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::open("100ms").await;
    house.add_stub().await;
    let socket = house.app().paths.agents_socket();
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let attest = async |pid: u32| {
        let task = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
        let id = ProcessId::of(pid).unwrap();
        let process = Process {
            pid: i64::from(id.pid),
            started: i64::try_from(id.start_time).unwrap(),
            uid: 0,
        };
        remit_server::tasks::process::attest(house.app(), task.task.run, process, Confinement::None)
            .await
            .unwrap();
        task
    };
    let mut other = Command::new("sleep").arg("60").spawn().unwrap();
    let (mine, theirs) = (attest(std::process::id()).await, attest(other.id()).await);
    let answer = over_socket(&house, &mine.token).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let answer = over_socket(&house, &theirs.token).await;
    assert!(
        answer.starts_with("HTTP/1.1 401") && answer.contains("invalid_token"),
        "{answer}"
    );
    assert_eq!(kinds(&house).await, ["identity_anomaly"]);
    // A token of nobody's process is a bearer's, here as elsewhere.
    let bare = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    assert!(over_socket(&house, &bare.token).await.starts_with("HTTP/1.1 200"));
    other.kill().unwrap();
    other.wait().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_starts_second_beside_us_takes_no_socket_of_ours() {
    let house = House::open("100ms").await;
    let mut parts = crate::house::parts_with(
        &house.folder,
        remit_server::config::Config::default(),
        house.launcher.clone(),
    );
    parts.paths.data = house.folder.join("other");
    let Err(refused) = remit_server::start::start(parts).await else {
        panic!("a second engine took our runtime folder")
    };
    assert!(refused.to_string().contains("control.sock"), "{refused}");
    // Ours still answers: who we are did not change hands.
    house.add_stub().await;
    let task = house.task(&["fs/*"], &["fs:/srv/repo"]).await;
    assert!(over_socket(&house, &task.token).await.starts_with("HTTP/1.1 200"));
}
