//! Servers at an address that hang, lie and flood; and addresses that must not be dialled.

use tokio::time::Instant;

use super::wire_server::*;
use super::*;

async fn against(
    plan: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
) -> (WireServer, Connection, Failure) {
    let server = WireServer::start(move |seen| modern(seen, &plan)).await;
    let world = world();
    let (connection, _notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
    let failure = call_with(&world, &connection, &tool("t", "{}"), short(20_000))
        .await
        .0
        .unwrap_err();
    (server, connection, failure)
}

#[tokio::test]
async fn every_lie_is_named() {
    type Case = (&'static str, fn(&Seen) -> Vec<Step>, ErrorKind, Sent);
    let cases: [Case; 20] = [
        (
            "wrong id",
            |s| json(&result(s.id() + 1, "{}")),
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "wrong id on a stream",
            |s| vec![events(), event(&result(s.id() + 1, "{}"))],
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "not JSON",
            |_| json("{\"jsonrpc\":"),
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "no answer",
            |_| json(r#"{"jsonrpc":"2.0","method":"x"}"#),
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "batch",
            |s| json(&format!("[{}]", result(s.id(), "{}"))),
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "bad event",
            |_| vec![events(), event("{")],
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "HTML",
            |_| vec![answer("200 OK", "Content-Type: text/html\r\n", "<html>")],
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "no type",
            |s| vec![answer("200 OK", "", &result(s.id(), "{}"))],
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "accepted",
            |_| vec![answer("202 Accepted", "", "")],
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "result with an error status",
            |s| {
                vec![answer(
                    "500 Oops",
                    "Content-Type: application/json\r\n",
                    &result(s.id(), "{}"),
                )]
            },
            ErrorKind::Refused(500),
            Sent::Maybe,
        ),
        (
            "redirect",
            |_| {
                vec![answer(
                    "307 Temporary Redirect",
                    "Location: http://169.254.169.254/\r\n",
                    "",
                )]
            },
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "compressed",
            |_| {
                vec![answer(
                    "200 OK",
                    "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
                    "x",
                )]
            },
            ErrorKind::Protocol,
            Sent::Yes,
        ),
        (
            "unauthorised",
            |_| vec![answer("401 Unauthorized", "", "token?")],
            ErrorKind::Refused(401),
            Sent::Yes,
        ),
        (
            "server error",
            |_| vec![answer("503 Service Unavailable", "", "later")],
            ErrorKind::Refused(503),
            Sent::Maybe,
        ),
        (
            "announced too large",
            |_| {
                vec![Step::Say(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n".to_vec()), Step::Hang]
            },
            ErrorKind::TooLarge,
            Sent::Yes,
        ),
        (
            "no HTTP",
            |_| vec![Step::Say(b"SSH-2.0-x\r\n\r\n".to_vec()), Step::Close],
            ErrorKind::Gone,
            Sent::Maybe,
        ),
        (
            "closed at once",
            |_| vec![Step::Close],
            ErrorKind::Gone,
            Sent::Maybe,
        ),
        (
            "cut short",
            |_| {
                vec![
                    Step::Say(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
                            .to_vec(),
                    ),
                    Step::Close,
                ]
            },
            ErrorKind::Gone,
            Sent::Maybe,
        ),
        (
            "stream without answer",
            |_| vec![events(), end()],
            ErrorKind::Gone,
            Sent::Maybe,
        ),
        (
            "two lengths",
            |_| {
                vec![
                    Step::Say(
                        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}".to_vec(),
                    ),
                    Step::Hang,
                ]
            },
            ErrorKind::Gone,
            Sent::Maybe,
        ),
    ];
    for (name, plan, kind, sent) in cases {
        let (server, _connection, failure) = against(plan).await;
        assert_eq!((failure.kind, failure.sent), (kind, sent), "{name}: {failure:?}");
        assert!(!failure.detail.is_empty(), "{name}");
        assert_eq!(server.requests("tools/call").len(), 1, "{name}: never sent twice");
        for seen in server.seen.lock().unwrap().iter() {
            assert!(seen.is("POST"), "{name}: {}", seen.head);
        }
    }
}

#[tokio::test]
async fn endless_answers_are_cut_off() {
    const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";
    let zeros = || vec![b'0'; 1 << 20];
    let body = move |_: &Seen| vec![Step::Say(HEAD.to_vec()), Step::Flood(zeros())];
    let (_server, _connection, failure) = against(body).await;
    assert_eq!(failure.kind, ErrorKind::TooLarge, "{failure:?}");

    let one_event = |_: &Seen| {
        vec![
            events(),
            Step::Flood({
                let mut chunk = b"100000\r\n".to_vec();
                chunk.extend(vec![b'0'; 1 << 20]);
                chunk.extend(b"\r\n");
                chunk
            }),
        ]
    };
    let (_server, _connection, failure) = against(one_event).await;
    assert_eq!(failure.kind, ErrorKind::TooLarge, "{failure:?}");

    let head = |_: &Seen| {
        vec![
            Step::Say(b"HTTP/1.1 200 OK\r\n".to_vec()),
            Step::Flood(b"X-Y: z\r\n".repeat(1000)),
        ]
    };
    let (_server, _connection, failure) = against(head).await;
    assert_eq!(failure.kind, ErrorKind::Gone, "{failure:?}");
}

#[tokio::test]
async fn slow_and_silent_servers_run_into_the_time_limit() {
    let drip = |s: &Seen| {
        vec![Step::Drip(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{}",
                " ".repeat(100_000 - 40) + &result(s.id(), "{}")
            )
            .into_bytes(),
        )]
    };
    let plans: [fn(&Seen) -> Vec<Step>; 3] = [
        drip,
        |_| vec![Step::Hang],
        |_| vec![events(), chunk(": x\n\n"), Step::Hang],
    ];
    for plan in plans {
        let server = WireServer::start(move |seen| modern(seen, plan)).await;
        let world = world();
        let (connection, _notices) = world.open(&http(&server.url), Era::Modern).await.unwrap();
        let now = Instant::now();
        let failure = call_with(&world, &connection, &tool("t", "{}"), short(300))
            .await
            .0
            .unwrap_err();
        assert_eq!((failure.kind, failure.sent), (ErrorKind::TimedOut, Sent::Maybe));
        assert!(now.elapsed() < Duration::from_secs(2));
        assert!(!connection.is_closed());
    }
}

#[tokio::test]
async fn a_cut_call_closes_its_stream_and_a_legacy_server_is_told() {
    for era in [Era::Modern, Era::Legacy] {
        let server = WireServer::start(move |seen| match era {
            Era::Modern => modern(seen, |_| vec![events(), Step::Hang]),
            Era::Legacy => legacy(seen, |_| vec![events(), Step::Hang]),
        })
        .await;
        let world = world();
        let (connection, _notices) = world.open(&http(&server.url), era).await.unwrap();
        let (holder, lifeline) = remit_enforce::LifelineHolder::new();
        let terms = Terms {
            lifeline,
            ..world.terms.clone()
        };
        let (events, _receiver) = mpsc::channel(1);
        let (made, options) = (tool("t", "{}"), CallOptions::default());
        let cut = async {
            until("it was asked", || !server.requests("tools/call").is_empty()).await;
            holder.cut(remit_enforce::Cut::Ended);
        };
        let (failure, ()) = tokio::join!(connection.0.call(&made, &terms, &options, events), cut);
        assert_eq!(
            failure.unwrap_err().kind,
            ErrorKind::Cut(remit_enforce::Cut::Ended)
        );
        until("the stream is closed", || server.left.load(Ordering::SeqCst) == 1).await;
        if era == Era::Legacy {
            until("the server is told", || {
                !server.requests("notifications/cancelled").is_empty()
            })
            .await;
        }
        // Others go on.
        assert!(!connection.is_closed());
    }
}
