//! A raw HTTP server of the tests' own: it says exactly the bytes it is told to say.

use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// One request as it came.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) head: String,
    pub(super) body: String,
}

impl Seen {
    pub(super) fn method(&self) -> String {
        let body = parse(self.body.as_bytes(), &Bounds::REQUEST).unwrap_or_default();
        body.get("method")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    }

    pub(super) fn id(&self) -> i64 {
        let body = parse(self.body.as_bytes(), &Bounds::REQUEST).unwrap_or_default();
        body.get("id").and_then(Value::as_i64).unwrap_or_default()
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (n, value) = line.split_once(": ")?;
            n.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(super) fn is(&self, verb: &str) -> bool {
        self.head.starts_with(verb)
    }
}

/// What the server does next.
pub(super) enum Step {
    /// Says this.
    Say(Vec<u8>),
    /// Says this over and over until nobody listens.
    Flood(Vec<u8>),
    /// Says one byte of this every few milliseconds.
    Drip(Vec<u8>),
    /// Says nothing until the other side goes away.
    Hang,
    /// Closes.
    Close,
}

type Plan = dyn Fn(&Seen) -> Vec<Step> + Send + Sync;

/// A server that does what its plan says for each request; the connection stays open unless the plan closes it.
pub(super) struct WireServer {
    pub(super) url: String,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    pub(super) connections: Arc<AtomicUsize>,
    /// Connections that the other side closed while the server hung.
    pub(super) left: Arc<AtomicUsize>,
    accept: AbortHandle,
}

impl Drop for WireServer {
    fn drop(&mut self) {
        self.accept.abort();
    }
}

impl WireServer {
    pub(super) async fn start(plan: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let (seen, connections) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
        let left = Arc::new(AtomicUsize::new(0));
        let plan: Arc<Plan> = Arc::new(plan);
        let (log, count, gone) = (seen.clone(), connections.clone(), left.clone());
        let accept = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, plan.clone(), log.clone(), gone.clone()));
            }
        });
        Self {
            url,
            seen,
            connections,
            left,
            accept: accept.abort_handle(),
        }
    }

    pub(super) fn requests(&self, method: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|s| s.method() == method).cloned().collect()
    }
}

async fn serve(mut stream: TcpStream, plan: Arc<Plan>, log: Arc<Mutex<Vec<Seen>>>, left: Arc<AtomicUsize>) {
    while let Some(seen) = read(&mut stream).await {
        log.lock().unwrap().push(seen.clone());
        for step in plan(&seen) {
            match step {
                Step::Say(bytes) => {
                    if stream.write_all(&bytes).await.is_err() {
                        return;
                    }
                }
                Step::Flood(bytes) => while stream.write_all(&bytes).await.is_ok() {},
                Step::Drip(bytes) => {
                    for byte in bytes {
                        if stream.write_all(&[byte]).await.is_err() {
                            return;
                        }
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
                Step::Hang => {
                    let mut rest = [0; 64];
                    while matches!(stream.read(&mut rest).await, Ok(n) if n > 0) {}
                    left.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Step::Close => return,
            }
        }
    }
}

async fn read(stream: &mut TcpStream) -> Option<Seen> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|w| w == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut body = bytes.split_off(end);
    let mut seen = Seen {
        head: String::from_utf8(bytes).unwrap(),
        body: String::new(),
    };
    let length: usize = seen.header("content-length").map_or(0, |v| v.parse().unwrap());
    while body.len() < length {
        stream.read_buf(&mut body).await.ok()?;
    }
    assert_eq!(body.len(), length, "more than one request at once");
    seen.body = String::from_utf8(body).unwrap();
    Some(seen)
}

pub(super) fn answer(status: &str, headers: &str, body: &str) -> Step {
    let length = body.len();
    Step::Say(format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{headers}\r\n{body}").into_bytes())
}

pub(super) fn json(body: &str) -> Vec<Step> {
    vec![answer("200 OK", "Content-Type: application/json\r\n", body)]
}

/// The head of an event stream; what follows is chunked.
pub(super) fn events() -> Step {
    Step::Say(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
    )
}

pub(super) fn chunk(text: &str) -> Step {
    Step::Say(format!("{:x}\r\n{text}\r\n", text.len()).into_bytes())
}

pub(super) fn event(data: &str) -> Step {
    chunk(&format!("data: {data}\n\n"))
}

pub(super) fn end() -> Step {
    Step::Say(b"0\r\n\r\n".to_vec())
}

pub(super) fn result(id: i64, result: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

pub(super) const HELLO: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"resources":{"subscribe":true}},"serverInfo":{"name":"x","version":"1"}}"#;
pub(super) const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}},"ttlMs":0,"cacheScope":"private"}"#;

/// What a legacy server with a session does; anything else is up to `rest`.
pub(super) fn legacy(seen: &Seen, rest: impl Fn(&Seen) -> Vec<Step>) -> Vec<Step> {
    match seen.method().as_str() {
        "initialize" => vec![answer(
            "200 OK",
            "Content-Type: application/json\r\nMcp-Session-Id: s-1\r\n",
            &result(seen.id(), HELLO),
        )],
        "server/discover" => vec![answer("400 Bad Request", "", "no")],
        "notifications/initialized" | "notifications/cancelled" => vec![answer("202 Accepted", "", "")],
        _ if seen.is("GET") => vec![answer("405 Method Not Allowed", "", "")],
        _ if seen.is("DELETE") => vec![answer("200 OK", "", "")],
        _ => rest(seen),
    }
}

/// What a modern server does; anything else is up to `rest`.
pub(super) fn modern(seen: &Seen, rest: impl Fn(&Seen) -> Vec<Step>) -> Vec<Step> {
    match seen.method().as_str() {
        "server/discover" => json(&result(seen.id(), DISCOVERED)),
        _ => rest(seen),
    }
}
