//! A writer to be killed, stopped and cut off from power; and the check of what it left behind.
//!
//! `writer run DB WRITERS` appends for ever and prints `ack TASK N SEQ` once append N of a task is durable.
//! `writer check DB` reads those lines from standard input and prints how many of them the database has lost.
//!
//! `writer plant DB` writes the records with `PRAGMA synchronous = NORMAL`, on a connection of its own: the defect a
//! harness must catch before its silence means anything. `writer count DB` then counts the records lost, and checks
//! nothing else, for a planted writer keeps no head. The product has no such switch.

use std::collections::BTreeMap;
use std::io::{BufRead as _, Write as _};
use std::path::Path;
use std::sync::Arc;

use remit_core::authority::{Authority, Budget};
use remit_core::entropy::SystemEntropy;
use remit_core::id::{RunId, TaskId};
use remit_core::json::Object;
use remit_core::task::{Intent, Mode, Task, TaskState};
use remit_core::time::{BootTime, Clock, Timestamp};
use remit_ledger::record::Record;
use remit_store::{Conn, Location, Options, RowKey, Store, StoreError, budgets, integrity, records, tasks};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["run", place, writers] => run(place, writers.parse()?),
        ["plant", place] => plant(Path::new(place)),
        ["check", place] => check(place),
        ["count", place] => count(Path::new(place)),
        _ => Err("usage: writer run DB WRITERS | writer check DB | writer plant DB | writer count DB".into()),
    }
}

fn open(place: &str) -> Result<Store, Failure> {
    let location = if place.contains("host=") {
        Location::Postgres(place.to_owned())
    } else {
        Location::Sqlite(place.into())
    };
    Ok(Store::open(Options {
        location,
        row_key: RowKey::new(&[7; 32]),
        clock: Arc::new(Wall),
    })?)
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}

fn run(place: &str, writers: usize) -> Result<(), Failure> {
    let store = open(place)?;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..writers).map(|_| scope.spawn(|| write(&store))).collect();
        let mut end = Ok(());
        for one in all {
            end = end.and(one.join().unwrap_or_else(|_| Err("a writer failed".into())));
        }
        end
    })
}

fn write(store: &Store) -> Result<(), Failure> {
    let task = task()?;
    let (id, opened) = (task.id, task);
    store.append_blocking(record("task_open", id, 0), move |tx| tasks::open(tx, &opened))?;
    for n in 1_u32.. {
        let (receipt, _) = store.append_blocking(record("decision", id, n), move |tx| {
            tx.expect_task(id, 1)?;
            budgets::reserve(tx, id, &Budget::Calls, 1, u64::from(u32::MAX))
        })?;
        say(&format!("ack {id} {n} {}\n", receipt.seq()))?;
    }
    Ok(())
}

fn record(kind: &str, task: TaskId, n: u32) -> Record {
    let mut detail = Object::new();
    detail.insert("n", n);
    // As long as a real decision.
    detail.insert("padding", "x".repeat(400));
    Record {
        kind: kind.to_owned(),
        task: Some(task.to_string()),
        detail,
        ..Record::default()
    }
}

fn task() -> Result<Task, Failure> {
    Ok(Task {
        id: TaskId::fresh(Wall.now(), &SystemEntropy)?,
        parent: None,
        initiator: "alice".parse()?,
        agent: "coder".parse()?,
        run: RunId::fresh(Wall.now(), &SystemEntropy)?,
        intent: Intent {
            goal: "write".to_owned(),
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

/// The planted defect: the same rows in the same order, but the log is not synced with each commit.
fn plant(place: &Path) -> Result<(), Failure> {
    let first = records_of(&open(&place.display().to_string())?)?;
    let conn = rusqlite::Connection::open(place)?;
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0;",
    )?;
    let id = TaskId::fresh(Wall.now(), &SystemEntropy)?;
    for n in 1_u32.. {
        let mut record = record("decision", id, n);
        record.seq = first + u64::from(n) - 1;
        record.time = Wall.now();
        let seq = i64::try_from(record.seq)?;
        conn.execute(
            "INSERT INTO records (seq, time, kind, leaf) VALUES (?1, ?2, ?3, ?4)",
            (seq, record.time.0, &record.kind, record.encode()?),
        )?;
        say(&format!("ack {id} {n} {}\n", record.seq))?;
    }
    Ok(())
}

fn records_of(store: &Store) -> Result<u64, Failure> {
    Ok(store.read_blocking(records::count)?)
}

/// Task, number and place of every acknowledgement on standard input.
fn acknowledged() -> Result<Vec<(String, i64, u64)>, Failure> {
    let mut acks = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let parts: Vec<&str> = line.split(' ').collect();
        // The last line may be torn: it was not said to anybody.
        if let ["ack", task, n, seq] = parts.as_slice()
            && let (Ok(n), Ok(seq)) = (n.parse::<i64>(), seq.parse::<u64>())
        {
            acks.push(((*task).to_owned(), n, seq));
        }
    }
    Ok(acks)
}

fn count(place: &Path) -> Result<(), Failure> {
    let acks = acknowledged()?;
    let conn = rusqlite::Connection::open(place)?;
    let recorded: i64 = conn.query_row("SELECT count(*) FROM records", [], |row| row.get(0))?;
    let mut there = conn.prepare("SELECT count(*) FROM records WHERE seq = ?1")?;
    let mut lost = 0;
    for (_, _, seq) in &acks {
        let found: i64 = there.query_row([i64::try_from(*seq)?], |row| row.get(0))?;
        lost += i64::from(found == 0);
    }
    say(&format!(
        "acknowledged {} recorded {recorded} lost {lost}\n",
        acks.len()
    ))
}

fn check(place: &str) -> Result<(), Failure> {
    let acks = acknowledged()?;
    let store = open(place)?;
    let count = acks.len();
    let (lost, last) = store.read_blocking(move |conn| {
        let mut lost = Vec::new();
        for (task, n, seq) in acks {
            if !is_there(conn, &task, n, seq)? {
                lost.push(seq);
            }
        }
        let last = whole(conn)?;
        Ok::<_, StoreError>((lost, last))
    })?;
    say(&format!(
        "acknowledged {count} recorded {last} lost {}\n",
        lost.len()
    ))?;
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("acknowledged records are missing: {lost:?}").into())
    }
}

fn is_there(conn: &mut Conn, task: &str, n: i64, seq: u64) -> Result<bool, StoreError> {
    let Some(stored) = records::get(conn, seq)? else {
        return Ok(false);
    };
    let record = stored.decode()?;
    Ok(record.task.as_deref() == Some(task) && record.detail.get("n").and_then(|n| n.as_i64()) == Some(n))
}

/// Places without gaps, rows that grant untouched, and counters that agree with the records they stand for.
fn whole(conn: &mut Conn) -> Result<u64, StoreError> {
    let broken = |why: String| StoreError::Unavailable(why);
    if let Some(error) = integrity::check_rows(conn)?.into_iter().next() {
        return Err(error);
    }
    let mut calls: BTreeMap<String, u64> = BTreeMap::new();
    let mut next = 0;
    loop {
        let some = records::range(conn, next, 1000)?;
        if some.is_empty() {
            break;
        }
        for stored in some {
            if stored.seq != next {
                return Err(broken(format!("record {next} is missing")));
            }
            let record = stored.decode()?;
            if let (Some(task), "decision") = (record.task, record.kind.as_str()) {
                *calls.entry(task).or_default() += 1;
            }
            next += 1;
        }
    }
    for (task, made) in calls {
        let id: TaskId = task
            .parse()
            .map_err(|_| broken(format!("{task} is not a task")))?;
        let used = budgets::used(conn, id, &Budget::Calls)?;
        if used != made {
            return Err(broken(format!("{task} made {made} calls and was charged {used}")));
        }
    }
    Ok(next)
}

/// Real time.
struct Wall;

impl Clock for Wall {
    #[expect(
        clippy::disallowed_methods,
        reason = "an example outside the product runs in real time"
    )]
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
