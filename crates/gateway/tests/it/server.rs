//! A gateway on a loopback port and a client that says exactly what it is told.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use remit_core::entropy::SystemEntropy;
use remit_core::json::{self, Bounds, Value};
use remit_core::time::{ManualClock, Timestamp};
use remit_gateway::{AllowedHosts, GatewayConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::FakeEngine;

pub struct Server {
    pub engine: Arc<FakeEngine>,
    pub clock: Arc<ManualClock>,
    pub address: SocketAddr,
    router: axum::Router,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One answer, read to its end.
#[derive(Debug)]
pub struct Answered {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// All messages, of a JSON body or an event stream.
    pub messages: Vec<Value>,
    pub text: String,
}

impl Answered {
    /// The last message.
    pub fn message(&self) -> &Value {
        self.messages
            .last()
            .unwrap_or_else(|| panic!("no message in {self:?}"))
    }

    /// HTTP status and JSON-RPC code.
    pub fn error(&self) -> (u16, i64) {
        let code = self.message().pointer("/error/code").and_then(Value::as_i64);
        (
            self.status.as_u16(),
            code.unwrap_or_else(|| panic!("no error in {self:?}")),
        )
    }

    /// The result, at a pointer.
    pub fn at(&self, pointer: &str) -> &Value {
        let found = self.message().pointer(pointer);
        found.unwrap_or_else(|| panic!("nothing at {pointer} in {self:?}"))
    }
}

pub const MODERN: &[(&str, &str)] = &[("mcp-protocol-version", "2026-07-28")];

#[expect(clippy::disallowed_methods, reason = "a test client of our own loopback port")]
pub async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

impl Server {
    pub async fn start() -> Self {
        let engine = FakeEngine::new();
        let clock = Arc::new(ManualClock::new(Timestamp(1)));
        let config = GatewayConfig {
            public_url: "http://127.0.0.1:7420".to_owned(),
            tls_url: None,
            hosts: AllowedHosts::default(),
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy),
            version: "0.0.0",
        };
        let router = remit_gateway::router(engine.clone(), config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(remit_gateway::serve(
            remit_gateway::Listener::Tcp(listener),
            hyper_util::service::TowerToHyperService::new(router.clone()),
            std::future::pending(),
        ));
        Self {
            router,
            engine,
            clock,
            address,
            task,
        }
    }

    /// The same over a Unix socket, until the test ends.
    pub fn over(&self, socket: &std::path::Path) {
        let listener = tokio::net::UnixListener::bind(socket).unwrap();
        tokio::spawn(remit_gateway::serve(
            remit_gateway::Listener::Unix(listener, |_| None),
            hyper_util::service::TowerToHyperService::new(self.router.clone()),
            std::future::pending(),
        ));
    }

    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Request<Full<Bytes>> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in [
            ("host", "127.0.0.1"),
            ("authorization", "Bearer good"),
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
        ] {
            if !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name)) {
                request = request.header(name, value);
            }
        }
        for (name, value) in headers {
            if *value != "-" {
                request = request.header(*name, *value);
            }
        }
        request.body(Full::new(Bytes::copy_from_slice(body))).unwrap()
    }

    /// Sends a request and gives the response with its body still on the way; dropping it closes the connection.
    pub async fn open(&self, request: Request<Full<Bytes>>) -> Response<Incoming> {
        let stream = TokioIo::new(connect(self.address).await);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        sender.send_request(request).await.unwrap()
    }

    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
        let response = self.open(self.request(method, path, headers, body)).await;
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let is_stream = parts
            .headers
            .get("content-type")
            .is_some_and(|v| v == "text/event-stream");
        let messages = if is_stream {
            messages(&text)
        } else if text.is_empty() {
            Vec::new()
        } else {
            vec![json::parse(text.as_bytes(), &Bounds::RESPONSE).unwrap()]
        };
        Answered {
            status: parts.status,
            headers: parts.headers,
            messages,
            text,
        }
    }

    /// A modern request on `/mcp/ref`, all headers as they should be.
    pub async fn modern(&self, method: &str, params: &str) -> Answered {
        self.modern_with("/mcp/ref", method, params, "{}", "", &[]).await
    }

    pub async fn modern_with(
        &self,
        path: &str,
        method: &str,
        params: &str,
        capabilities: &str,
        meta: &str,
        headers: &[(&str, &str)],
    ) -> Answered {
        let body = modern_body(method, params, capabilities, meta);
        let parsed = json::parse(body.as_bytes(), &Bounds::REQUEST).unwrap();
        let name = parsed
            .pointer("/params/name")
            .or_else(|| parsed.pointer("/params/uri"));
        let mut all = MODERN.to_vec();
        all.push(("mcp-method", method));
        if let Some(name) = name.and_then(Value::as_str) {
            all.push(("mcp-name", name));
        }
        all.retain(|(known, _)| !headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(known)));
        all.extend_from_slice(headers);
        self.send("POST", path, &all, body.as_bytes()).await
    }

    /// A legacy request without a session.
    pub async fn legacy(&self, method: &str, params: &str, headers: &[(&str, &str)]) -> Answered {
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        self.send("POST", "/mcp/ref", headers, body.as_bytes()).await
    }

    /// Opens a legacy session; gives its id.
    pub async fn initialize(&self, version: &str, capabilities: &str) -> String {
        let params = format!(
            r#"{{"protocolVersion":"{version}","capabilities":{capabilities},"clientInfo":{{"name":"t","version":"1"}}}}"#
        );
        let answered = self.legacy("initialize", &params, &[]).await;
        assert_eq!(answered.status, 200, "{answered:?}");
        let id = answered
            .headers
            .get("mcp-session-id")
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        let body = br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let done = self
            .send("POST", "/mcp/ref", &[("mcp-session-id", &id)], body)
            .await;
        assert_eq!((done.status.as_u16(), done.text.as_str()), (202, ""));
        id
    }

    /// Sends bytes as they are and reads until the other side closes.
    pub async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = connect(self.address).await;
        stream.write_all(bytes).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

pub fn modern_body(method: &str, params: &str, capabilities: &str, meta: &str) -> String {
    let comma = if params == "{}" { "" } else { "," };
    let meta_comma = if meta.is_empty() { "" } else { "," };
    let params = params.strip_suffix('}').unwrap();
    format!(
        r#"{{"jsonrpc":"2.0","id":"a1","method":"{method}","params":{params}{comma}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{capabilities}{meta_comma}{meta}}}}}}}"#
    )
}

/// The messages in a piece of an event stream.
pub fn messages(text: &str) -> Vec<Value> {
    text.lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter(|data| !data.is_empty())
        .map(|data| json::parse(data.as_bytes(), &Bounds::RESPONSE).unwrap())
        .collect()
}

/// Reads an event stream until `count` messages have come.
pub async fn next_messages(body: &mut Incoming, count: usize) -> Vec<Value> {
    let mut text = String::new();
    loop {
        let found = messages(text.rsplit_once("\n\n").map_or("", |(whole, _)| whole));
        if found.len() >= count {
            return found;
        }
        let frame = body
            .frame()
            .await
            .unwrap_or_else(|| panic!("the stream ended: {text}"))
            .unwrap();
        if let Ok(data) = frame.into_data() {
            text.push_str(std::str::from_utf8(&data).unwrap());
        }
    }
}
