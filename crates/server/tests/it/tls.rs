//! `[listen.tls]`: certificates prove runs, tokens bound to one are worth nothing with another, and ours is renewed in place.

use remit_core::confinement::Proof;
use remit_core::people::{Kind, Role};
use remit_server::approvals::vote::{self, Reach};
use remit_server::config::{Config, OauthClient};
use remit_server::engine::session;
use remit_server::issuer::x509_svid;
use remit_server::people::NewHuman;
use remit_server::start::StartError;
use remit_server::{certificate, findings};
use serde_json::Value;

use crate::house::{House, dial, name};
use crate::tls_client::{Files, Identity, ask, form, form_request, list, mode, read_file, split};

/// A client `ci` that opens tasks for the system `pipeline` by its secret.
pub fn with_client(config: &mut Config, folder: &std::path::Path) {
    let secret = folder.join("secret");
    std::fs::write(&secret, "correct horse\n").unwrap();
    config.oauth.clients.insert(
        "ci".to_owned(),
        OauthClient {
            agent: Some("coder".to_owned()),
            initiator: Some("pipeline".to_owned()),
            secret: Some(format!("file:{}", secret.display())),
            template: Some("reading".to_owned()),
            ..OauthClient::default()
        },
    );
    let templates = folder.join("templates");
    std::fs::create_dir_all(&templates).unwrap();
    std::fs::write(
        templates.join("reading.toml"),
        "name = \"reading\"\ndescription = \"Reads.\"\nmode = \"execute\"\nttl = \"1h\"\n\n[authority]\ntools = [\"fs/*\"]\nclasses = [\"read\"]\nresources = [\"fs:/srv/repo\"]\n",
    )
    .unwrap();
    config.policy.templates = Some(templates);
}

/// Registers the system the client opens tasks for.
pub async fn add_pipeline(house: &House) {
    let pipeline = NewHuman {
        name: name("pipeline"),
        kind: Kind::System,
        authority: None,
        roles: [Role::Initiator].into(),
    };
    remit_server::people::add_human(house.app(), pipeline, &name("alice"))
        .await
        .unwrap();
}

const GRANT: &[(&str, &str)] = &[
    ("grant_type", "client_credentials"),
    ("client_id", "ci"),
    ("client_secret", "correct horse"),
];

async fn kinds(house: &House) -> Vec<String> {
    let found = findings::latest(house.app(), 100).await.unwrap();
    let mut kinds: Vec<String> = found.into_iter().map(|finding| finding.kind).collect();
    kinds.sort();
    kinds
}

/// How the latest call proved its run, as it was recorded.
async fn recorded_proof(house: &House) -> Option<String> {
    let records = house.records().await;
    let decision = records
        .iter()
        .rfind(|record| record.kind == "decision" && record.tool.as_deref() == Some("fs/read_file"));
    decision.and_then(|record| record.proof.clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_bound_to_a_certificate_is_worth_nothing_with_another() {
    let files = Files::new("bound");
    let mut config = files.config();
    with_client(&mut config, &files.folder);
    config.check().unwrap();
    let house = House::open_with(config).await;
    house.add_stub().await;
    add_pipeline(&house).await;
    let address = house.running.tls_address.unwrap();
    let (mine, theirs) = (Identity::self_signed(), Identity::self_signed());
    let trusted = &files.certificate;

    let (status, granted) = form(&house, trusted, Some(&mine), "/oauth/token", GRANT).await;
    assert_eq!(status, 200, "{granted}");
    assert_eq!(granted["token_type"], "Bearer");
    let token = granted["access_token"].as_str().unwrap();

    // Whoever relies on it is told what to ask for (RFC 8705, 3.2).
    let pairs = [
        ("token", token),
        ("client_id", "ci"),
        ("client_secret", "correct horse"),
    ];
    let (_, told) = form(&house, trusted, Some(&mine), "/oauth/introspect", &pairs).await;
    assert_eq!(told["cnf"]["x5t#S256"], mine.thumbprint());

    let call = read_file(address, token, "/srv/repo/a");
    let answer = ask(&house, trusted, Some(&mine), &call).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(recorded_proof(&house).await.as_deref(), Some("key"));
    assert_eq!(house.stub.received().len(), 1);
    assert_eq!(kinds(&house).await, Vec::<String>::new());

    // Another certificate, none, and none over the plain listener.
    for stranger in [Some(&theirs), None] {
        let answer = ask(&house, trusted, stranger, &call).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    let (status, _) = house.rpc(token, "tools/list", serde_json::json!({})).await;
    assert_eq!(status, 401);
    assert_eq!(house.stub.received().len(), 1);
    let found = findings::latest(house.app(), 100).await.unwrap();
    assert_eq!(kinds(&house).await, ["key_mismatch", "proof_missing"]);
    assert!(
        found
            .iter()
            .any(|finding| finding.message.contains(&mine.thumbprint())
                && finding.message.contains(&theirs.thumbprint())),
        "{found:?}"
    );

    // The same client opens its next task with the same certificate; the tokens are two.
    let (status, again) = form(&house, trusted, Some(&mine), "/oauth/token", GRANT).await;
    assert_eq!(status, 200, "{again}");
    assert_ne!(again["access_token"], granted["access_token"]);
    // Without a certificate, and over the plain listener, nothing is bound.
    let (_, unbound) = form(&house, trusted, None, "/oauth/token", GRANT).await;
    let plain = unbound["access_token"].as_str().unwrap();
    let (status, _) = house.rpc(plain, "tools/list", serde_json::json!({})).await;
    assert_eq!(status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_svid_of_a_run_proves_it_and_that_of_another_run_refuses_it() {
    let files = Files::new("svid");
    let house = House::open_with(files.config()).await;
    house.add_stub().await;
    let address = house.running.tls_address.unwrap();
    let (one, other) = (
        house.task(&["fs/*"], &["fs:/srv/repo"]).await,
        house.task(&["fs/*"], &["fs:/srv/repo"]).await,
    );
    let live = session::of_task(house.app(), one.task.id).await.unwrap();
    let (_, svid) = x509_svid::issue(house.app(), &live, Proof::Bearer).await.unwrap();
    let svid = Identity::of_svid(svid);
    let trusted = &files.certificate;

    let answer = ask(
        &house,
        trusted,
        Some(&svid),
        &read_file(address, &one.token, "/srv/repo/a"),
    )
    .await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(recorded_proof(&house).await.as_deref(), Some("key"));
    // The same token alone is what it was: bearer. A certificate of nobody we know says nothing.
    for shown in [None, Some(&Identity::self_signed())] {
        let answer = ask(
            &house,
            trusted,
            shown,
            &read_file(address, &one.token, "/srv/repo/b"),
        )
        .await;
        assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
        assert_eq!(recorded_proof(&house).await.as_deref(), Some("bearer"));
    }
    assert_eq!(kinds(&house).await, Vec::<String>::new());

    let stolen = ask(&house, trusted, Some(&svid), &list(address, &other.token))
        .await
        .unwrap();
    assert!(
        stolen.starts_with("HTTP/1.1 401") && stolen.contains("invalid_token"),
        "{stolen}"
    );
    let found = findings::latest(house.app(), 10).await.unwrap();
    assert_eq!(found[0].kind, "key_mismatch");
    assert!(
        found[0].message.contains(&one.spiffe_id) && found[0].message.contains(&other.spiffe_id),
        "{found:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_certificate_is_renewed_in_place_and_a_bad_one_is_not_taken() {
    let files = Files::new("renewed");
    let house = House::open_with(files.config()).await;
    let health = format!(
        "GET /healthz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
        house.running.tls_address.unwrap()
    );
    let before = files.folder.join("before.pem");
    std::fs::copy(&files.certificate, &before).unwrap();
    assert!(ask(&house, &before, None, &health).await.is_ok());

    files.renew();
    certificate::follow(house.app()).await.unwrap();
    assert!(ask(&house, &before, None, &health).await.is_err());
    assert!(ask(&house, &files.certificate, None, &health).await.is_ok());
    let records = house.records().await;
    assert_eq!(
        records
            .iter()
            .filter(|record| record.kind == "listen.certificate")
            .count(),
        1
    );

    // A key others may read, a key of another certificate, no PEM: the one before stays, and it is said once.
    let good = files.folder.join("good.pem");
    std::fs::copy(&files.certificate, &good).unwrap();
    let (key, certificate_text) = (
        std::fs::read(&files.key).unwrap(),
        std::fs::read(&files.certificate).unwrap(),
    );
    let restore = || {
        std::fs::write(&files.key, &key).unwrap();
        std::fs::write(&files.certificate, &certificate_text).unwrap();
        mode(&files.key, 0o600);
    };
    for (spoil, says) in [
        (
            (|files: &Files| mode(&files.key, 0o640)) as fn(&Files),
            "mode 0600",
        ),
        (
            |files| std::fs::write(&files.certificate, "nothing").unwrap(),
            "no certificate",
        ),
        (
            |files| {
                let other = Files::new("other");
                std::fs::copy(&other.key, &files.key).unwrap();
            },
            "do not belong together",
        ),
    ] {
        spoil(&files);
        // The clock of a file system may be coarse: what counts is that the file is another one.
        let moved = files.folder.join("moved");
        std::fs::copy(&files.key, &moved).unwrap();
        if says != "mode 0600" {
            mode(&moved, 0o600);
        }
        std::fs::rename(&moved, &files.key).unwrap();
        let error = certificate::follow(house.app()).await.unwrap_err().to_string();
        assert!(error.contains(says), "{says}: {error}");
        assert!(ask(&house, &good, None, &health).await.is_ok(), "{says}");
        certificate::follow(house.app()).await.unwrap();
        restore();
    }

    // It does not start with a key that others may read.
    mode(&files.key, 0o644);
    let refused = remit_server::certificate::Certificate::open(
        files.config().listen.tls.as_ref().unwrap(),
        std::sync::Arc::new(remit_server::clock::SystemClock),
    )
    .unwrap_err();
    assert!(
        StartError::from(refused).to_string().contains("mode 0600"),
        "the start says why"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metadata_says_where_certificates_are_shown_and_what_they_are_worth() {
    let files = Files::new("metadata");
    let house = House::open_with(files.config()).await;
    let (plain, tls) = (house.running.address, house.running.tls_address.unwrap());
    let get = |host: std::net::SocketAddr, path: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
    };
    let over_plain = async |path: &str| -> Value {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let mut stream = dial(plain).await;
        stream.write_all(get(plain, path).as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        split(&answer).1
    };
    let metadata = over_plain("/.well-known/oauth-authorization-server").await;
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(metadata["issuer"], format!("http://{plain}"));
    assert_eq!(
        metadata["mtls_endpoint_aliases"]["token_endpoint"],
        format!("https://{tls}/oauth/token")
    );
    let methods = metadata["token_endpoint_auth_methods_supported"]
        .as_array()
        .unwrap();
    assert!(methods.contains(&"spiffe_x509".into()) && methods.contains(&"spiffe_jwt".into()));

    // Whoever came over TLS is told about the address it came to.
    let challenge = ask(&house, &files.certificate, None, &list(tls, "remit_nothing"))
        .await
        .unwrap();
    let expected = format!("resource_metadata=\"https://{tls}/.well-known/oauth-protected-resource/mcp/fs\"");
    assert!(challenge.contains(&expected), "{challenge}");
    let path = "/.well-known/oauth-protected-resource/mcp/fs";
    let resource = ask(&house, &files.certificate, None, &get(tls, path))
        .await
        .unwrap();
    assert_eq!(split(&resource).1["resource"], format!("https://{tls}/mcp/fs"));
    assert_eq!(
        over_plain(path).await["resource"],
        format!("http://{plain}/mcp/fs")
    );

    // Without TLS nothing of it is said.
    let bare = House::open("100ms").await;
    let (host, path) = (bare.running.address, "/.well-known/oauth-authorization-server");
    let mut stream = dial(host).await;
    {
        use tokio::io::AsyncWriteExt as _;
        stream.write_all(get(host, path).as_bytes()).await.unwrap();
    }
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer)
        .await
        .unwrap();
    let metadata = split(&answer).1;
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], false);
    assert!(metadata.get("mtls_endpoint_aliases").is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plain_text_and_half_a_handshake_hold_nothing_up() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let files = Files::new("plain");
    let house = House::open_with(files.config()).await;
    let address = house.running.tls_address.unwrap();
    let _silent = dial(address).await;
    let mut plain = dial(address).await;
    plain
        .write_all(form_request(address, "/oauth/token", "", GRANT).as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    let _ = plain.read_to_end(&mut answer).await;
    assert!(!String::from_utf8_lossy(&answer).contains("HTTP/1.1 200"));
    let answer = ask(&house, &files.certificate, None, &list(address, "remit_nothing")).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 401"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approved_call_is_executed_with_the_proof_it_was_asked_with() {
    let files = Files::new("redeemed");
    let house = House::open_with(files.config()).await;
    house.add_stub().await;
    let address = house.running.tls_address.unwrap();
    let task = house.task(&["fs/write_file"], &[]).await;
    let live = session::of_task(house.app(), task.task.id).await.unwrap();
    let (_, svid) = x509_svid::issue(house.app(), &live, Proof::Bearer).await.unwrap();
    let svid = Identity::of_svid(svid);
    for (shown, path, proof) in [(Some(&svid), "/srv/a", "key"), (None, "/srv/b", "bearer")] {
        let request = read_file(address, &task.token, path).replace("read_file", "write_file");
        let request = with_content(&request, path);
        let held = ask(&house, &files.certificate, shown, &request).await.unwrap();
        assert!(held.contains("\"hold\""), "{held}");
        let pending = house
            .app()
            .store
            .read(|conn| {
                remit_store::approvals::in_state(conn, remit_core::approval::ApprovalState::Pending, 10)
            })
            .await
            .unwrap();
        let approval = pending.last().unwrap().approval.clone();
        assert_eq!(approval.proof.as_str(), proof);
        vote::approve(
            house.app(),
            approval.id,
            Reach::Once,
            String::new(),
            &name("alice"),
        )
        .await
        .unwrap();
        for _ in 0..400 {
            if house
                .stub
                .received()
                .iter()
                .any(|call| call["arguments"]["path"] == path)
            {
                break;
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let records = house.records().await;
        let proofs: Vec<(Option<&str>, Option<&str>)> = records
            .iter()
            .filter(|record| record.kind == "decision" && record.approval == Some(approval.id.to_string()))
            .map(|record| (record.decision.as_deref(), record.proof.as_deref()))
            .collect();
        assert_eq!(
            proofs,
            [(Some("hold"), Some(proof)), (Some("allow"), Some(proof))]
        );
    }
}

/// The same request with one argument more.
fn with_content(request: &str, path: &str) -> String {
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    let body = body.replace(
        &format!("{{\"path\":\"{path}\"}}"),
        &format!("{{\"path\":\"{path}\",\"content\":\"x\"}}"),
    );
    let head: String = head
        .lines()
        .map(|line| match line.split_once("Content-Length: ") {
            Some(_) => format!("Content-Length: {}", body.len()),
            None => line.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("\r\n");
    format!("{head}\r\n\r\n{body}")
}
