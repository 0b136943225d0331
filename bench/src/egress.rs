//! What the egress proxy adds to a request that is not MCP: the same POST by the same client to the same server, directly,
//! through a plain proxy in Rust and through the engine (read, decided, recorded before and after), in turns. CPU is that of the
//! whole process: the direct requests' share is taken off.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use remit_server::egress::systems::{self, NewSystem};

use crate::house::House;
use crate::report::Row;
use crate::time::{cpu, now, percentile, us_each};

const WARM_UP: usize = 50;
const TURN: usize = 50;
const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_file","arguments":{"path":"/srv/repo/a"}}}"#;

/// A client that keeps its connection.
struct Poster {
    sender: SendRequest<Full<Bytes>>,
    path: &'static str,
    host: String,
    token: Option<String>,
    each: Vec<Duration>,
    cpu: Duration,
}

impl Poster {
    #[expect(
        clippy::disallowed_methods,
        reason = "plays the agent: dials loopback, never an upstream"
    )]
    async fn connect(address: SocketAddr, path: &'static str, token: Option<String>) -> anyhow::Result<Self> {
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self {
            sender,
            path,
            host: address.to_string(),
            token,
            each: Vec::new(),
            cpu: Duration::ZERO,
        })
    }

    async fn post(&mut self) -> anyhow::Result<()> {
        let mut request = hyper::Request::post(self.path)
            .header("host", &self.host)
            .header("content-type", "application/json");
        if let Some(token) = &self.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        self.sender.ready().await?;
        let answer = self.sender.send_request(request.body(Full::from(BODY))?).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status == 200 && body.windows(5).any(|five| five == b"hello"),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(())
    }

    async fn turn(&mut self, count: usize) -> anyhow::Result<()> {
        let used = cpu();
        for _ in 0..count {
            let start = now();
            self.post().await?;
            self.each.push(start.elapsed());
        }
        self.cpu += cpu().saturating_sub(used);
        Ok(())
    }

    fn sorted(mut self) -> (Vec<Duration>, f64) {
        let cpu = us_each(self.cpu, self.each.len());
        self.each.sort_unstable();
        (self.each, cpu)
    }
}

/// `count` requests each way, one after the other.
///
/// # Errors
/// When the engine does not start or a request is not answered.
pub async fn run(folder: &Path, count: usize) -> anyhow::Result<Vec<Row>> {
    let house = House::open(&folder.join("egress")).await?;
    let new = NewSystem {
        kind: Some("http".to_owned()),
        hosts: vec![house.stub.ip().to_string()],
        scheme: Some("http".to_owned()),
        port: Some(house.stub.port()),
        allow_private: true,
        ..NewSystem::default()
    };
    systems::add(house.app(), &"web".parse()?, &new, &"alice".parse()?).await?;
    let task = house.task_for("web/*", "web:127.0.0.1/mcp").await?;
    let plain_at = crate::plain::start(house.stub).await?;
    let mut direct = Poster::connect(house.stub, "/mcp", None).await?;
    let mut plain = Poster::connect(plain_at, "/mcp", None).await?;
    let mut ours = Poster::connect(
        house.running.address,
        "/egress/web/mcp",
        Some(task.token.to_string()),
    )
    .await?;
    for client in [&mut direct, &mut plain, &mut ours] {
        client.turn(WARM_UP).await.context("warming up")?;
        client.each.clear();
        client.cpu = Duration::ZERO;
    }
    for _ in 0..count.div_ceil(TURN) {
        direct.turn(TURN).await?;
        plain.turn(TURN).await?;
        ours.turn(TURN).await?;
    }
    house.running.stop(Duration::from_secs(5)).await;
    let ((direct, direct_cpu), (plain, plain_cpu), (ours, ours_cpu)) =
        (direct.sorted(), plain.sorted(), ours.sorted());
    let row = |what: &str, times: &[Duration]| Row {
        p99: Some(percentile(times, 0.99)),
        ..Row::new(what, percentile(times, 0.5), "ms", None)
    };
    Ok(vec![
        row("egress POST, direct", &direct),
        row("egress POST, through a plain Rust proxy", &plain),
        row("egress POST, through Remit", &ours),
        Row {
            p99: Some(percentile(&ours, 0.99) - percentile(&direct, 0.99)),
            ..Row::new(
                "egress POST: added",
                percentile(&ours, 0.5) - percentile(&direct, 0.5),
                "ms",
                None,
            )
        },
        Row::new(
            "egress POST: added CPU, plain Rust proxy",
            plain_cpu - direct_cpu,
            "µs",
            None,
        ),
        Row::new("egress POST: added CPU, Remit", ours_cpu - direct_cpu, "µs", None),
    ])
}
