//! Ledger append with state in the same transaction: SQLite with `synchronous = FULL`, 16 and 256 writers.
//!
//! A writer does what an allowed call costs the store, again and again. First the decision: a record of about 1 KB with
//! its index, the epochs and the task's version checked, a budget charged, the call stored as open. Then the outcome:
//! a record, the call closed. It waits for each receipt before it goes on, as an agent does; each of the two counts. The floor is printed beside it: one `fdatasync` of one record.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use remit_core::authority::{Authority, Budget};
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{CallId, DecisionId, RunId, TaskId};
use remit_core::task::{Intent, Mode, Task, TaskState};
use remit_core::time::{BootTime, Clock, Timestamp};
use remit_ledger::record::Record;
use remit_store::calls::{CallState, NewCall};
use remit_store::{Location, Options, RowKey, Store, budgets, calls, tasks};

/// What one round of writers reached.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Writers that append at once, each waiting for its receipt.
    pub writers: usize,
    /// Durable appends per second.
    pub per_second: f64,
    /// Half of the appends took at most this long, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 appends took at most this long, in milliseconds.
    pub p99_ms: f64,
}

/// What this machine's disk allows: one record written and synced at a time.
#[derive(Clone, Copy, Debug)]
pub struct Floor {
    /// Half of the syncs took at most this long, in milliseconds.
    pub p50_ms: f64,
    /// 99 of 100 syncs took at most this long, in milliseconds.
    pub p99_ms: f64,
}

/// Runs each number of writers for `time` on a fresh database in `folder`.
///
/// # Errors
/// When the database cannot be opened or an append fails.
pub fn run(folder: &Path, writers: &[usize], time: Duration) -> anyhow::Result<(Floor, Vec<Figure>)> {
    let floor = floor(folder)?;
    let figures = writers
        .iter()
        .map(|writers| round(folder, *writers, time))
        .collect::<anyhow::Result<_>>()?;
    Ok((floor, figures))
}

fn floor(folder: &Path) -> anyhow::Result<Floor> {
    let path = folder.join("floor");
    let mut file = File::create(&path)?;
    let mut times = Vec::new();
    for _ in 0..500 {
        let start = now();
        file.write_all(&[7; 700])?;
        file.sync_data()?;
        times.push(start.elapsed());
    }
    std::fs::remove_file(path)?;
    times.sort_unstable();
    Ok(Floor {
        p50_ms: percentile(&times, 0.5),
        p99_ms: percentile(&times, 0.99),
    })
}

fn round(folder: &Path, writers: usize, time: Duration) -> anyhow::Result<Figure> {
    let path = folder.join(format!("append-{writers}.db"));
    let store = Store::open(Options {
        location: Location::Sqlite(path),
        row_key: RowKey::new(&[7; 32]),
        clock: Arc::new(Wall),
    })?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .build()?;
    let mut times = runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for writer in 0..writers {
            let store = store.clone();
            all.spawn(async move { write(&store, writer as u64, time).await });
        }
        let mut times = Vec::new();
        while let Some(done) = all.join_next().await {
            times.extend(done??);
        }
        anyhow::Ok(times)
    })?;
    times.sort_unstable();
    Ok(Figure {
        writers,
        per_second: times.len() as f64 / time.as_secs_f64(),
        p50_ms: percentile(&times, 0.5),
        p99_ms: percentile(&times, 0.99),
    })
}

async fn write(store: &Store, writer: u64, time: Duration) -> anyhow::Result<Vec<Duration>> {
    let entropy = SeededEntropy::new(writer);
    let task = task(&entropy)?;
    let opened = task.clone();
    let record = Record {
        kind: "task_open".to_owned(),
        task: Some(task.id.to_string()),
        ..Record::default()
    };
    let (_, epochs) = store
        .append(record, move |tx| {
            tasks::open(tx, &opened)?;
            Ok(tx.epochs())
        })
        .await
        .context("the task cannot be opened")?;
    let (id, run, started) = (task.id, task.run, now());
    let mut times = Vec::with_capacity(100_000);
    while started.elapsed() < time {
        let decision = DecisionId::fresh(Wall.now(), &entropy)?;
        let call = NewCall {
            id: CallId::fresh(Wall.now(), &entropy)?,
            task: id,
            run,
            decision,
            digest: Digest::of(&times.len().to_be_bytes()),
            reference: None,
            state: CallState::Open,
            call: None,
            body: None,
        };
        let (record, call_id) = (decision_record(&task, decision, &call), call.id);
        let start = now();
        store
            .append(record, move |tx| {
                tx.expect_epochs(epochs)?;
                tx.expect_task(id, 1)?;
                budgets::reserve(tx, id, &Budget::Calls, 1, u64::from(u32::MAX))?;
                calls::add(tx, &call)
            })
            .await?;
        times.push(start.elapsed());
        let record = Record {
            kind: "outcome".to_owned(),
            decision_id: Some(decision.to_string()),
            task: Some(id.to_string()),
            run: Some(run.to_string()),
            outcome: Some("done".to_owned()),
            ..Record::default()
        };
        let start = now();
        store
            .append(record, move |tx| calls::finish(tx, call_id, CallState::Done))
            .await?;
        times.push(start.elapsed());
    }
    Ok(times)
}

fn task(entropy: &SeededEntropy) -> anyhow::Result<Task> {
    Ok(Task {
        id: TaskId::fresh(Wall.now(), entropy)?,
        parent: None,
        initiator: "alice".parse()?,
        agent: "coder".parse()?,
        run: RunId::fresh(Wall.now(), entropy)?,
        intent: Intent {
            goal: "fix the build".to_owned(),
            purpose: String::new(),
        },
        mode: Mode::Execute,
        template: None,
        authority: Authority::none(),
        cut: Vec::new(),
        state: TaskState::Open,
        version: 1,
        opened_at: Wall.now(),
        expires_at: Wall.now().plus_ms(3_600_000),
        life: remit_core::task::Life::default(),
        untrusted: false,
    })
}

fn decision_record(task: &Task, decision: DecisionId, call: &NewCall) -> Record {
    Record {
        kind: "decision".to_owned(),
        decision_id: Some(decision.to_string()),
        task: Some(task.id.to_string()),
        run: Some(task.run.to_string()),
        agent: Some("coder".to_owned()),
        initiator: Some("alice".to_owned()),
        chain: vec!["alice".to_owned(), "coder".to_owned()],
        tool: Some("fs/read_file".to_owned()),
        class: Some("read".to_owned()),
        resource: Some("fs:/srv/repo/src/main.rs".to_owned()),
        decision: Some("allow".to_owned()),
        reason: Some("permitted".to_owned()),
        rules: vec!["baseline.read".to_owned(), "task.tools".to_owned()],
        policy_version: Some(Digest::of(b"policy").to_string()),
        lane: Some("enforced".to_owned()),
        labels: Vec::from_iter(BTreeSet::from(["confidential".to_owned()])),
        confinement: Some("landlock".to_owned()),
        proof: Some("peer".to_owned()),
        origin: Some("initial".to_owned()),
        digest: Some(call.digest),
        commitment: Some(Digest::of(b"commitment")),
        ..Record::default()
    }
}

fn percentile(sorted: &[Duration], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index between 0 and the last"
    )]
    let at = (last as f64 * part) as usize;
    sorted.get(at).map_or(0.0, |time| time.as_secs_f64() * 1000.0)
}

#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
fn now() -> Instant {
    Instant::now()
}

/// Real time.
struct Wall;

impl Clock for Wall {
    #[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    fn boot(&self) -> BootTime {
        BootTime(0)
    }
}
