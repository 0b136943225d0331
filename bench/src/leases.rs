//! Leases: roles of a real PostgreSQL made and ended per second, beside OpenBao's dynamic credentials for the same server in the
//! same run; and a start with 100,000 leases.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use remit_core::entropy::SystemEntropy;
use remit_core::id::{LeaseId, RunId, TaskId};
use remit_core::lease::{Lease, LeaseClass, LeaseState};
use remit_core::name::Name;
use remit_core::task::Ending;
use remit_core::time::Clock as _;
use remit_ledger::record::Record;
use remit_server::broker::{databases, revoke};
use remit_server::clock::SystemClock;
use remit_server::config::{Config, Database};
use remit_server::engine::session;
use remit_server::tasks::end;
use serde_json::Value;

use crate::house::House;
use crate::peer::Peer;
use crate::report::{Goal, Row};
use crate::time::{ms, now, percentile};

/// Tasks, or clients of OpenBao, at once.
const AT_ONCE: usize = 16;
/// Leases planned by one record while the store is filled.
const FILLED_AT_ONCE: usize = 1000;
/// Longest wait for the last role to go.
const PATIENCE: Duration = Duration::from_secs(120);

/// PostgreSQL and OpenBao; ended when dropped.
struct Peers {
    _script: Peer,
    socket: String,
    bao: std::net::SocketAddr,
    token: String,
}

impl Peers {
    fn start(folder: &Path, bao: &Path) -> anyhow::Result<Self> {
        let script = Peer::start("leases.py", [folder, bao])?;
        Ok(Self {
            socket: script.text("socket").to_owned(),
            bao: script.text("bao").parse()?,
            token: script.text("token").to_owned(),
            _script: script,
        })
    }
}

/// `count` roles of each, and a start with `known` leases. Without `bao` its rows, and those beside them, are missing.
///
/// # Errors
/// When something does not start, or a role is not made or does not go.
pub async fn run(folder: &Path, bao: Option<&Path>, count: usize, known: usize) -> anyhow::Result<Vec<Row>> {
    let mut rows = Vec::new();
    if let Some(bao) = bao {
        let folder = folder.join("leases");
        std::fs::create_dir_all(&folder)?;
        let peers = Peers::start(&folder, bao)?;
        let theirs = openbao(&peers, count).await?;
        let ours = remit(&folder, &peers, count).await?;
        rows.extend(ours.rows("lease of a PostgreSQL role, durable first"));
        rows.extend(theirs.rows("OpenBao, dynamic role of the same PostgreSQL"));
        rows.push(Row::new(
            "lease issue, against OpenBao in the same run",
            ours.issued_per_s / theirs.issued_per_s,
            "x",
            None,
        ));
    }
    rows.extend(restart(&folder.join("known"), known).await?);
    Ok(rows)
}

/// What was measured of one of both.
struct Figures {
    issued_per_s: f64,
    times: Vec<Duration>,
    ended_per_s: f64,
}

impl Figures {
    fn rows(&self, what: &str) -> Vec<Row> {
        vec![
            Row::new(format!("{what}: issued"), self.issued_per_s, "/s", None),
            Row {
                p99: Some(percentile(&self.times, 0.99)),
                ..Row::new(
                    format!("{what}: time of one, {AT_ONCE} at once"),
                    percentile(&self.times, 0.5),
                    "ms",
                    None,
                )
            },
            Row::new(format!("{what}: ended and gone"), self.ended_per_s, "/s", None),
        ]
    }
}

async fn remit(folder: &Path, peers: &Peers, count: usize) -> anyhow::Result<Figures> {
    let mut config = Config::default();
    let database = Database {
        socket: Some(peers.socket.clone().into()),
        database: "postgres".to_owned(),
        user: "postgres".to_owned(),
        ..Database::default()
    };
    config.databases.insert("erp".to_owned(), database);
    let house = Arc::new(House::with(folder, &folder.join("data"), config).await?);
    let erp: Name = "erp".parse()?;
    let mut lives = VecDeque::new();
    for _ in 0..count {
        let task = house.task_for("erp/db.query", "erp:public/t").await?;
        lives.push_back(session::of_task(house.app(), task.task.id).await?);
    }
    let tasks: Vec<TaskId> = lives.iter().map(|live| live.snapshot().task.id).collect();
    let lives = Arc::new(Mutex::new(lives));
    let start = now();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (house, erp, lives) = (Arc::clone(&house), erp.clone(), Arc::clone(&lives));
        all.spawn(async move {
            let mut times = Vec::new();
            loop {
                let next = lives.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                let Some(live) = next else {
                    return anyhow::Ok(times);
                };
                let start = now();
                databases::issue(house.app(), &live, &erp).await?;
                times.push(start.elapsed());
            }
        });
    }
    let mut times = Vec::new();
    while let Some(done) = all.join_next().await {
        times.extend(done??);
    }
    let issued_per_s = count as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let start = now();
    let alice = "alice".parse()?;
    for task in tasks {
        end::done(house.app(), task, Ending::Completed, &alice).await?;
    }
    loop {
        let left = revoke::counts(house.app()).await?;
        if left.live + left.revoking == 0 {
            break;
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "{left:?} are left");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let ended_per_s = count as f64 / start.elapsed().as_secs_f64();
    let house = Arc::into_inner(house).context("the engine is still in use")?;
    house.running.stop(Duration::from_secs(5)).await;
    Ok(Figures {
        issued_per_s,
        times,
        ended_per_s,
    })
}

async fn openbao(peers: &Peers, count: usize) -> anyhow::Result<Figures> {
    let made = Arc::new(Mutex::new(Vec::new()));
    let start = now();
    let mut all = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let share = count / AT_ONCE + usize::from(worker < count % AT_ONCE);
        let (made, address, token) = (Arc::clone(&made), peers.bao, peers.token.clone());
        all.spawn(async move {
            let mut client = Bao::connect(address, token).await?;
            let mut times = Vec::new();
            for _ in 0..share {
                let start = now();
                let answer = client
                    .ask("GET", "/v1/database/creds/bench", String::new())
                    .await?;
                times.push(start.elapsed());
                let lease = answer
                    .get("lease_id")
                    .and_then(Value::as_str)
                    .context("no lease")?;
                made.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(lease.to_owned());
            }
            anyhow::Ok(times)
        });
    }
    let mut times = Vec::new();
    while let Some(done) = all.join_next().await {
        times.extend(done??);
    }
    let issued_per_s = count as f64 / start.elapsed().as_secs_f64();
    times.sort_unstable();
    let start = now();
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let (made, address, token) = (Arc::clone(&made), peers.bao, peers.token.clone());
        all.spawn(async move {
            let mut client = Bao::connect(address, token).await?;
            loop {
                let next = made.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let Some(lease) = next else { return anyhow::Ok(()) };
                let body = format!(r#"{{"lease_id":"{lease}","sync":true}}"#);
                client.ask("POST", "/v1/sys/leases/revoke", body).await?;
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(Figures {
        issued_per_s,
        times,
        ended_per_s: count as f64 / start.elapsed().as_secs_f64(),
    })
}

/// One kept connection to OpenBao.
struct Bao {
    sender: SendRequest<Full<Bytes>>,
    token: String,
}

impl Bao {
    async fn connect(address: std::net::SocketAddr, token: String) -> anyhow::Result<Self> {
        #[expect(
            clippy::disallowed_methods,
            reason = "the bench is the other one's client, not an upstream"
        )]
        let stream = tokio::net::TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, token })
    }

    async fn ask(&mut self, method: &str, path: &str, body: String) -> anyhow::Result<Value> {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1")
            .header("x-vault-token", self.token.as_str())
            .body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        anyhow::ensure!(
            status.is_success(),
            "{status}: {}",
            String::from_utf8_lossy(&body)
        );
        Ok(serde_json::from_slice(&body).unwrap_or_default())
    }
}

/// A start on a store with `known` live leases of a backend that is away: all are known again before anybody is served, and
/// all are being ended a moment later.
async fn restart(folder: &Path, known: usize) -> anyhow::Result<Vec<Row>> {
    let data = folder.join("data");
    let empty = House::engine(folder, &data, Config::default()).await?;
    let clock = SystemClock;
    let (task, run) = (
        TaskId::fresh(clock.now(), &SystemEntropy)?,
        RunId::fresh(clock.now(), &SystemEntropy)?,
    );
    for part in 0..known.div_ceil(FILLED_AT_ONCE) {
        let leases: Vec<Lease> = (0..FILLED_AT_ONCE.min(known - part * FILLED_AT_ONCE))
            .map(|_| {
                let id = LeaseId::fresh(clock.now(), &SystemEntropy)?;
                anyhow::Ok(Lease {
                    id,
                    task,
                    run,
                    system: "erp".parse()?,
                    backend: "postgresql".parse()?,
                    handle: format!("remit_00000000_{id}"),
                    class: LeaseClass::R1,
                    state: LeaseState::Live,
                    planned_at: clock.now(),
                    ended_at: None,
                    expires_at: clock.now().plus_ms(3_600_000),
                })
            })
            .collect::<Result<_, _>>()?;
        let entry = Record {
            kind: "lease.plan".to_owned(),
            ..Record::default()
        };
        empty
            .app
            .store
            .append(entry, move |tx| {
                leases
                    .iter()
                    .try_for_each(|lease| remit_store::leases::plan(tx, lease))
            })
            .await?;
    }
    empty.stop(Duration::from_secs(5)).await;
    let start = now();
    let running = House::engine(folder, &data, Config::default()).await?;
    let started = start.elapsed();
    loop {
        if revoke::counts(&running.app).await?.revoking == known as u64 {
            break;
        }
        anyhow::ensure!(start.elapsed() < PATIENCE, "they are not being ended");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let ending = start.elapsed();
    running.stop(Duration::from_secs(5)).await;
    Ok(vec![
        Row::new(
            format!("start of the engine with {known} leases, all known again"),
            ms(started),
            "ms",
            Some(Goal::AtMost(1_000.0, None)),
        ),
        Row::new(
            format!("the same, until all {known} are recorded as ending"),
            ms(ending),
            "ms",
            None,
        ),
    ])
}
