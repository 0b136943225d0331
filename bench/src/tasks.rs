//! Opening tasks (each mints a token), and how long a killed one can still act.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use remit_server::tasks::kill::{Target, kill};

use crate::house::{Client, House};
use crate::report::{Goal, Row};
use crate::time::{cpu, now, percentile, us_each};

const AT_ONCE: usize = 64;
const KILLS: usize = 20;

/// `count` tasks one after the other, as many from 64 at once, and 20 kills.
///
/// # Errors
/// When the engine does not start, a task is refused, or a killed task's call goes through.
pub async fn run(folder: &Path, count: usize) -> anyhow::Result<Vec<Row>> {
    let house = Arc::new(House::open(&folder.join("tasks")).await?);
    house.task().await?;
    let used = cpu();
    for _ in 0..count {
        house.task().await?;
    }
    let one = us_each(cpu().saturating_sub(used), count);

    let (start, used) = (now(), cpu());
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..AT_ONCE {
        let house = Arc::clone(&house);
        all.spawn(async move {
            for _ in 0..count.div_ceil(AT_ONCE) {
                house.task().await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    let opened = count.div_ceil(AT_ONCE) * AT_ONCE;
    let shared = us_each(cpu().saturating_sub(used), opened);
    let rate = opened as f64 / start.elapsed().as_secs_f64();

    let mut times = Vec::with_capacity(KILLS);
    for _ in 0..KILLS {
        times.push(killed(&house).await?);
    }
    times.sort_unstable();
    let house = Arc::into_inner(house).context("the engine is still in use")?;
    house.running.stop(Duration::from_secs(5)).await;
    Ok(vec![
        Row::new("task open, CPU, one alone with its commit", one, "µs", None),
        Row::new(
            "task open, CPU, 64 at once",
            shared,
            "µs",
            Some(Goal::AtMost(100.0, None)),
        ),
        Row::new(
            "task open with token, durable, 64 at once",
            rate,
            "/s",
            Some(Goal::AtLeast(3_000.0)),
        ),
        Row {
            p99: times.last().map(|worst| crate::time::ms(*worst)),
            ..Row::new(
                format!("kill to refused, the very next call, {KILLS} times, worst as p99"),
                percentile(&times, 0.5),
                "ms",
                Some(Goal::AtMost(1_000.0, Some(1_000.0))),
            )
        },
    ])
}

/// From the order to kill until the very next call has been refused.
async fn killed(house: &House) -> anyhow::Result<Duration> {
    let task = house.task().await?;
    let mut client = Client::connect(house.running.address, "/mcp/fs", Some(task.token.to_string())).await?;
    client.call_allowed().await?;
    let target = Target::Task(task.task.id);
    let start = now();
    kill(house.app(), target, &"alice".parse()?, "bench").await?;
    anyhow::ensure!(
        client.call_allowed().await.is_err(),
        "a call went through after the kill"
    );
    Ok(start.elapsed())
}
