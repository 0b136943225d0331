//! Bad input: each gets an error of the right shape, nothing reaches the engine, the server lives.

use remit_core::limits::{REQUEST_BYTES_MAX, REQUESTS_PER_RUN_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::{MODERN, Server, connect};

fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{arguments}}}}}"#
    )
}

#[tokio::test]
async fn documents_two_readers_could_read_in_two_ways_are_refused() {
    let server = Server::start().await;
    let deep = |depth: usize| format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth));
    let many = format!("[{}0]", "0,".repeat(100_001));
    for (kind, body) in [
        ("duplicate_key", call(r#"{"a":1,"a":2}"#).into_bytes()),
        ("duplicate_key", call(r#"{"a":1,"\u0061":2}"#).into_bytes()),
        (
            "duplicate_key",
            br#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#.to_vec(),
        ),
        ("inexact_number", call(r#"{"a":9007199254740993}"#).into_bytes()),
        ("inexact_number", call(r#"{"a":1e400}"#).into_bytes()),
        (
            "inexact_number",
            call(r#"{"a":18446744073709551617}"#).into_bytes(),
        ),
        ("lone_surrogate", call(r#"{"a":"\ud800"}"#).into_bytes()),
        ("lone_surrogate", call(r#"{"a":"\udc00x"}"#).into_bytes()),
        ("unknown_word", call(r#"{"a":NaN}"#).into_bytes()),
        ("unknown_word", call(r#"{"a":Infinity}"#).into_bytes()),
        ("nul_character", call(r#"{"a":"\u0000"}"#).into_bytes()),
        ("invalid_utf8", [call("{}").as_bytes(), b"\xff"].concat()),
        (
            "invalid_utf8",
            call("{}")
                .encode_utf16()
                .flat_map(u16::to_le_bytes)
                .chain([0xff])
                .collect(),
        ),
        (
            "byte_order_mark",
            [b"\xef\xbb\xbf", call("{}").as_bytes()].concat(),
        ),
        ("too_deep", call(&deep(70)).into_bytes()),
        ("too_deep", vec![b'['; 100_000]),
        ("too_many_nodes", call(&format!(r#"{{"a":{many}}}"#)).into_bytes()),
        ("trailing_data", [call("{}").as_bytes(), b"{}"].concat()),
        ("comment", call("{/**/}").into_bytes()),
        ("control_character", call("{\"a\":\"\n\"}").into_bytes()),
        ("unexpected_end", call("{}").into_bytes()[..30].to_vec()),
        ("empty", Vec::new()),
    ] {
        for headers in [&[][..], MODERN] {
            let answered = server.send("POST", "/mcp/ref", headers, &body).await;
            assert_eq!(answered.error(), (400, -32700), "{kind}");
            assert_eq!(answered.at("/error/data/kind").as_str(), Some(kind));
            assert!(answered.at("/id").is_null() && answered.at("/jsonrpc").as_str() == Some("2.0"));
        }
    }
    assert_eq!(server.engine.count(), 0);
    assert_eq!(server.modern("tools/list", "{}").await.status, 200);
}

#[tokio::test]
async fn what_is_no_message_is_refused() {
    let server = Server::start().await;
    for (body, code) in [
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("7", -32600),
        ("{}", -32600),
        (r#"{"id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{}}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"result":7}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[]}"#, -32602),
        (
            r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":null}"#,
            -32602,
        ),
        (
            r#"{"jsonrpc":"2.0","method":"tools/call","params":{"name":"echo"}}"#,
            -32600,
        ),
    ] {
        let answered = server.send("POST", "/mcp/ref", &[], body.as_bytes()).await;
        assert_eq!(answered.error(), (400, code), "{body}");
    }
    let long = format!(
        r#"{{"jsonrpc":"2.0","id":"{}","method":"ping"}}"#,
        "x".repeat(257)
    );
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &[], long.as_bytes())
            .await
            .error(),
        (400, -32600)
    );
    assert_eq!(server.engine.count(), 0);
}

#[tokio::test]
async fn parameters_of_the_wrong_type_are_refused() {
    let server = Server::start().await;
    for (method, params) in [
        ("tools/call", "{}"),
        ("tools/call", r#"{"name":7}"#),
        ("tools/call", r#"{"name":"echo","arguments":[]}"#),
        ("tools/call", r#"{"name":"echo","arguments":"{}"}"#),
        ("tools/call", r#"{"name":"echo","arguments":null}"#),
        ("prompts/get", "{}"),
        ("resources/read", "{}"),
        ("resources/read", r#"{"uri":[]}"#),
        ("completion/complete", "{}"),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/tool","name":"x"},"argument":{"name":"a","value":"b"}}"#,
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a"}}"#,
        ),
        ("logging/setLevel", r#"{"level":"loud"}"#),
        ("initialize", "{}"),
    ] {
        let answered = server.legacy(method, params, &[]).await;
        assert_eq!(answered.error(), (200, -32602), "{method} {params}");
        assert_eq!(answered.at("/id").as_i64(), Some(1));
    }
    assert_eq!(server.legacy("no/such", "{}", &[]).await.error(), (200, -32601));
    assert_eq!(server.engine.count(), 0);
}

#[tokio::test]
async fn other_names_and_other_pages_are_turned_away() {
    let server = Server::start().await;
    for headers in [
        &[("host", "evil.example.com")][..],
        &[
            ("host", "evil.example.com"),
            ("origin", "http://evil.example.com"),
        ],
        &[("origin", "http://evil.example.com")],
        &[("origin", "null")],
        &[("origin", "http://localhost.evil.example")],
        &[
            ("host", "127.0.0.1:7420"),
            ("origin", "http://127.0.0.1:7420/"),
            ("authorization", "-"),
        ],
    ] {
        for (method, path) in [("POST", "/mcp/ref"), ("GET", "/mcp"), ("DELETE", "/mcp/ref")] {
            let answered = server.send(method, path, headers, call("{}").as_bytes()).await;
            assert_eq!(answered.status, 403, "{headers:?}");
        }
    }
    for raw in [
        "POST http://evil.example/mcp/ref HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "POST /mcp/ref HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "POST /mcp/ref HTTP/1.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "POST /mcp/ref HTTP/1.0\r\nContent-Length: 0\r\n\r\n",
    ] {
        let answer = server.raw(raw.as_bytes()).await;
        assert!(
            answer.starts_with("HTTP/1.") && answer.contains(" 403 "),
            "{raw} {answer}"
        );
    }
    let own = format!("127.0.0.1:{}", server.address.port());
    let origin = format!("http://{own}");
    let headers = [("host", own.as_str()), ("origin", origin.as_str())];
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &headers, call("{}").as_bytes())
            .await
            .status,
        200
    );
    assert_eq!(server.engine.count(), 1);
}

#[tokio::test]
async fn bodies_of_another_kind_are_refused() {
    let server = Server::start().await;
    let body = call("{}");
    for headers in [
        [("content-type", "-")],
        [("content-type", "text/plain")],
        [("content-type", "application/x-www-form-urlencoded")],
        [("content-type", "multipart/form-data; boundary=x")],
        [("content-type", "application/json; charset=utf-16")],
        [("content-encoding", "gzip")],
        [("content-encoding", "identity, br")],
    ] {
        let answered = server.send("POST", "/mcp/ref", &headers, body.as_bytes()).await;
        assert_eq!(answered.error(), (415, -32600), "{headers:?}");
    }
    let nothing = [("accept", "text/html")];
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &nothing, body.as_bytes())
            .await
            .error(),
        (406, -32600)
    );
    let twice = [
        ("authorization", "Bearer good"),
        ("authorization", "Bearer other"),
    ];
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &twice, body.as_bytes())
            .await
            .status,
        400
    );
    for headers in [
        [("content-type", "Application/JSON; Charset=\"UTF-8\"")],
        [("accept", "*/*")],
        [("accept", "-")],
        [("content-encoding", "identity")],
    ] {
        let answered = server.send("POST", "/mcp/ref", &headers, body.as_bytes()).await;
        assert_eq!(answered.status, 200, "{headers:?}");
    }
    let bad_server = server
        .send("POST", "/mcp/Not%20A%20Name", &[], body.as_bytes())
        .await;
    assert_eq!(bad_server.error(), (404, -32600));
}

#[tokio::test]
async fn large_requests_end_early() {
    let server = Server::start().await;
    let fill = "x".repeat(REQUEST_BYTES_MAX - call(r#"{"a":""}"#).len());
    let largest = call(&format!(r#"{{"a":"{fill}"}}"#));
    assert_eq!(largest.len(), REQUEST_BYTES_MAX);
    assert_eq!(
        server
            .send("POST", "/mcp/ref", &[], largest.as_bytes())
            .await
            .status,
        200
    );

    let head = "POST /mcp/ref HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\
                Content-Type: application/json\r\n";
    let announced = format!("{head}Content-Length: {}\r\n\r\n", REQUEST_BYTES_MAX + 1);
    assert!(server.raw(announced.as_bytes()).await.starts_with("HTTP/1.1 413"));

    // The same without saying so: the answer comes while the body still does.
    let mut stream = connect(server.address).await;
    stream
        .write_all(format!("{head}Transfer-Encoding: chunked\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let chunk = [b"100000\r\n".as_slice(), &vec![b' '; 0x10_0000], b"\r\n"].concat();
    for _ in 0..5 {
        if stream.write_all(&chunk).await.is_err() {
            break;
        }
    }
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");

    let many = format!("{head}{}\r\n", "X-A: b\r\n".repeat(101));
    let answer = server.raw(many.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let long = format!("{head}X-A: {}\r\n\r\n", "b".repeat(200_000));
    let answer = server.raw(long.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    assert_eq!(server.engine.count(), 1);
}

/// Time stands still but for waiting: it jumps to the next deadline whenever everybody waits.
#[tokio::test(start_paused = true)]
async fn slow_requests_are_not_waited_for() {
    let server = Server::start().await;
    let head = "POST /mcp/ref HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer good\r\n\
                Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let answer = server.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    // A head that never ends is cut off.
    let answer = server.raw(b"POST /mcp/ref HTTP/1.1\r\nHost: loc").await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 408"),
        "{answer}"
    );
    assert_eq!(server.engine.count(), 0);
}

#[tokio::test]
async fn one_run_cannot_take_all_places() {
    let server = Server::start().await;
    let slow = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow"}}"#;
    let json_only = [("accept", "application/json")];
    let requests: Vec<_> = (0..REQUESTS_PER_RUN_MAX)
        .map(|_| server.request("POST", "/mcp/ref", &json_only, slow.as_bytes()))
        .collect();
    let all = futures_util::future::join_all(requests.into_iter().map(|request| server.open(request)));
    let checks = async {
        server
            .engine
            .waiting
            .subscribe()
            .wait_for(|n| *n == REQUESTS_PER_RUN_MAX)
            .await
            .unwrap();
        let over = server.legacy("tools/list", "{}", &[]).await;
        assert_eq!(over.error(), (429, 429));
        assert!(over.headers.contains_key("retry-after"));
        let other = server
            .legacy("tools/list", "{}", &[("authorization", "Bearer other")])
            .await;
        assert_eq!(other.status, 200);
        server.engine.ended.send_replace(true);
    };
    let (responses, ()) = tokio::join!(all, checks);
    assert!(responses.iter().all(|response| response.status() == 200));
}
