//! What Remit adds to a `tools/call`: the same call by the same client to the same server, directly, through a plain proxy in
//! Rust and through the engine, in turns, so that both meet the machine in the same mood. CPU is that of the whole process: the direct calls' share (client
//! and server) is taken off.
//! ContextForge, where it is installed, is a process of its own and measured by what the kernel charges it.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use crate::contextforge::ContextForge;
use crate::house::{Client, House};
use crate::report::{Goal, Row};
use crate::time::{cpu, now, percentile, us_each};

const WARM_UP: usize = 50;
const TURN: usize = 50;
/// Clients of the crowd: what each call costs when commits are shared.
const CROWD: usize = 16;

#[derive(Default)]
struct Times {
    each: Vec<Duration>,
    cpu: Duration,
}

impl Times {
    async fn turn(&mut self, client: &mut Client, calls: usize) -> anyhow::Result<()> {
        let used = cpu();
        for _ in 0..calls {
            let start = now();
            client.call_allowed().await?;
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

/// `count` calls each way, one after the other. `contextforge` is the virtual environment of that peer, where it is installed.
///
/// # Errors
/// When the engine does not start or a call is not answered.
pub async fn run(folder: &Path, count: usize, contextforge: Option<&Path>) -> anyhow::Result<Vec<Row>> {
    let house = House::open(&folder.join("calls")).await?;
    let task = house.task().await?;
    let plain_at = crate::plain::start(house.stub).await?;
    let mut direct = Client::connect(house.stub, "/mcp", None).await?;
    let mut through = Client::connect(house.running.address, "/mcp/fs", Some(task.token.to_string())).await?;
    let mut proxied = Client::connect(plain_at, "/mcp", None).await?;
    let (mut without, mut with, mut plain) = (Times::default(), Times::default(), Times::default());
    for client in [&mut direct, &mut through, &mut proxied] {
        Times::default().turn(client, WARM_UP).await?;
    }
    for _ in 0..count.div_ceil(TURN) {
        without.turn(&mut direct, TURN).await?;
        plain.turn(&mut proxied, TURN).await?;
        with.turn(&mut through, TURN).await?;
    }
    let token = Some(task.token.to_string());
    let each = count.div_ceil(CROWD);
    let crowd_direct = crowd(house.stub, "/mcp", None, each).await?;
    let crowd_plain = crowd(plain_at, "/mcp", None, each).await?;
    let crowd_ours = crowd(house.running.address, "/mcp/fs", token, each).await?;
    let peer = match contextforge {
        Some(venv) => Some(peer(venv, folder, house.stub).await?),
        None => None,
    };
    house.running.stop(Duration::from_secs(5)).await;
    let (without, without_cpu) = without.sorted();
    let (with, with_cpu) = with.sorted();
    let (plain, plain_cpu) = plain.sorted();
    let (ours, theirs) = (with_cpu - without_cpu, plain_cpu - without_cpu);
    let row = |what: &str, times: &[Duration]| Row {
        p99: Some(percentile(times, 0.99)),
        ..Row::new(what, percentile(times, 0.5), "ms", None)
    };
    let mut rows = vec![
        row("tools/call, direct", &without),
        row("tools/call, through a plain Rust proxy", &plain),
        row("tools/call, through Remit", &with),
        Row {
            p99: Some(percentile(&with, 0.99) - percentile(&without, 0.99)),
            ..Row::new(
                "tools/call: added",
                percentile(&with, 0.5) - percentile(&without, 0.5),
                "ms",
                Some(Goal::AtMost(0.9, Some(5.0))),
            )
        },
        Row::new(
            "tools/call: added CPU alone, plain Rust proxy",
            theirs,
            "µs",
            None,
        ),
        Row::new("tools/call: added CPU alone, Remit", ours, "µs", None),
        Row::new(
            format!("tools/call: added CPU, {CROWD} at once, plain Rust proxy"),
            crowd_plain - crowd_direct,
            "µs",
            None,
        ),
        Row::new(
            format!("tools/call: added CPU, {CROWD} at once, Remit"),
            crowd_ours - crowd_direct,
            "µs",
            None,
        ),
        Row::new(
            format!("tools/call: CPU with client and server, {CROWD} at once, Remit against plain"),
            crowd_ours / crowd_plain,
            "x",
            Some(Goal::AtMost(3.0, None)),
        ),
    ];
    if let Some((times, cpu)) = peer {
        rows.push(row("tools/call, through ContextForge", &times));
        rows.push(Row::new(
            "tools/call: added CPU alone, ContextForge",
            cpu,
            "µs",
            None,
        ));
        rows.push(Row::new(
            "tools/call: added CPU alone, ContextForge against Remit",
            cpu / ours,
            "x",
            Some(Goal::AtLeast(100.0)),
        ));
    }
    Ok(rows)
}

/// CPU per call of this process, client and server included, with many clients at once; in microseconds.
async fn crowd(
    address: SocketAddr,
    path: &'static str,
    token: Option<String>,
    each: usize,
) -> anyhow::Result<f64> {
    let mut clients = Vec::with_capacity(CROWD);
    for _ in 0..CROWD {
        let mut client = Client::connect(address, path, token.clone()).await?;
        client.call_allowed().await?;
        clients.push(client);
    }
    let used = cpu();
    let mut all = tokio::task::JoinSet::new();
    for mut client in clients {
        all.spawn(async move {
            for _ in 0..each {
                client.call_allowed().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(us_each(cpu().saturating_sub(used), each * CROWD))
}

/// Calls through ContextForge, sorted times and its own CPU per call in microseconds.
async fn peer(venv: &Path, folder: &Path, stub: SocketAddr) -> anyhow::Result<(Vec<Duration>, f64)> {
    const WARM_UP: usize = 20;
    const COUNT: usize = 100;
    let peer = ContextForge::start(venv, &folder.join("contextforge"), stub)?;
    let mut client = peer.client().await?;
    Times::default().turn(&mut client, WARM_UP).await?;
    let used = peer.cpu()?;
    let mut times = Times::default();
    times.turn(&mut client, COUNT).await?;
    let used = peer.cpu()?.saturating_sub(used);
    Ok((times.sorted().0, us_each(used, COUNT)))
}
