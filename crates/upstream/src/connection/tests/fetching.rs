//! One hardened request: what is refused before it leaves, and what is refused of its answer.

use super::wire_server::*;
use super::*;
use crate::http::fetch::{FetchBody, FetchRequest, Fetched, Secret, ask};
use crate::http::url::Endpoint;

fn get(url: &str) -> FetchRequest {
    FetchRequest {
        url: url.to_owned(),
        body: FetchBody::Nothing,
        authorization: None,
        header: None,
        allow_private: true,
        bytes_max: 1000,
        timeout: Duration::from_secs(5),
    }
}

async fn asked(world: &World, request: &FetchRequest) -> Result<Fetched, Failure> {
    let endpoint = Endpoint::parse(&request.url).unwrap();
    ask(&world.terms, endpoint, request, &world.environment).await
}

#[tokio::test]
async fn what_is_sent_is_what_was_said_and_nothing_else() {
    let server = WireServer::start(|_| {
        vec![answer(
            "400 Bad Request",
            "Content-Type: Application/JSON; a=b\r\n",
            "{}",
        )]
    })
    .await;
    let world = world();
    let request = FetchRequest {
        body: FetchBody::Form(Secret::new("a=b&c=d")),
        authorization: Some(Secret::new("Basic eDp5")),
        ..get(&server.url)
    };
    let got = asked(&world, &request).await.unwrap();
    assert_eq!(
        (got.status, got.media_type.as_str(), got.body.as_slice()),
        (400, "application/json", &b"{}"[..])
    );
    assert!(!format!("{request:?}").contains("eDp5"));
    let seen = server.seen.lock().unwrap()[0].clone();
    assert!(seen.is("POST /mcp "));
    assert_eq!(seen.body, "a=b&c=d");
    assert_eq!(seen.header("authorization"), Some("Basic eDp5"));
    assert_eq!(
        seen.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
}

#[tokio::test]
async fn no_redirect_no_bomb_no_wait() {
    let world = world();
    type Plan = fn(&Seen) -> Vec<Step>;
    let cases: [(&str, Plan, ErrorKind); 5] = [
        (
            "redirect",
            |_| vec![answer("302 Found", "Location: http://127.0.0.1:1/\r\n", "")],
            ErrorKind::Protocol,
        ),
        (
            "encoding",
            |_| vec![answer("200 OK", "Content-Encoding: gzip\r\n", "x")],
            ErrorKind::Protocol,
        ),
        (
            "announced",
            |_| {
                vec![Step::Say(
                    b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n".to_vec(),
                )]
            },
            ErrorKind::TooLarge,
        ),
        (
            "flood",
            |_| {
                vec![
                    Step::Say(b"HTTP/1.1 200 OK\r\n\r\n".to_vec()),
                    Step::Flood(vec![b'x'; 4096]),
                ]
            },
            ErrorKind::TooLarge,
        ),
        ("silence", |_| vec![Step::Hang], ErrorKind::TimedOut),
    ];
    for (what, plan, kind) in cases {
        let server = WireServer::start(plan).await;
        let mut request = get(&server.url);
        request.timeout = Duration::from_millis(if what == "silence" { 100 } else { 5000 });
        assert_eq!(asked(&world, &request).await.unwrap_err().kind, kind, "{what}");
        assert_eq!(server.seen.lock().unwrap().len(), 1, "{what}");
    }
}

#[tokio::test]
async fn nothing_leaves_without_authority_or_towards_a_private_address() {
    let server = WireServer::start(|_| json("{}")).await;
    let world = world();
    let request = FetchRequest {
        allow_private: false,
        ..get(&server.url)
    };
    assert_eq!(
        asked(&world, &request).await.unwrap_err().kind,
        ErrorKind::AddressRefused
    );
    let request = get("http://169.254.169.254/latest/meta-data");
    assert_eq!(
        asked(&world, &request).await.unwrap_err().kind,
        ErrorKind::AddressRefused
    );
    world.holder.cut(remit_enforce::Cut::Ended);
    let failure = asked(&world, &get(&server.url)).await.unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::NotFresh, Sent::No));
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_connection_presents_its_credential_and_keeps_what_the_server_wants() {
    let server = WireServer::start(|seen| match seen.header("authorization") {
        Some("Bearer good") => modern(seen, |seen| json(&result(seen.id(), r#"{"content":[]}"#))),
        _ => vec![answer(
            "401 Unauthorized",
            "WWW-Authenticate: Basic realm=\"x\"\r\nWWW-Authenticate: Bearer scope=\"a\"\r\n",
            "",
        )],
    })
    .await;
    let world = world();
    let credential = crate::Credential::default();
    let open = || {
        let open = OpenOptions {
            credential: credential.clone(),
            ..options(Era::Modern)
        };
        let (world, spec) = (&world, http(&server.url));
        async move { Connection::open_on(&world.terms, &spec, open, &world.environment).await }
    };
    let failure = open().await.map(drop).unwrap_err();
    assert_eq!((failure.kind, failure.sent), (ErrorKind::Refused(401), Sent::Yes));
    let challenge = credential.challenge().unwrap();
    assert_eq!((challenge.status, challenge.presented), (401, false));
    assert_eq!(challenge.fields, [r#"Basic realm="x""#, r#"Bearer scope="a""#]);
    assert_eq!(
        server.seen.lock().unwrap().len(),
        1,
        "it did not try the other revision"
    );
    assert!(credential.present(Some("good")));
    let (connection, _notices) = open().await.unwrap();
    assert!(call(&world, &connection, &tool("t", "{}")).await.is_ok());
    credential.present(Some("worse"));
    let failure = call(&world, &connection, &tool("t", "{}")).await.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Refused(401));
    assert!(credential.challenge().unwrap().presented);
}
