//! What many open tasks weigh: memory of the process per task in use, and with 100,000 of them, most of them idle.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;

use crate::house::{Client, House, Target};
use crate::report::{Goal, Row};

/// Tasks opened and used at the same time.
const AT_ONCE: usize = 64;
/// In use at once: all of them stay in memory (`LIVE_TASKS_MAX` is more).
const HOT: usize = 10_000;

/// `open` tasks altogether, each used once.
///
/// # Errors
/// When the engine does not start, or a task or its call is not answered.
pub async fn run(folder: &Path, open: usize) -> anyhow::Result<Vec<Row>> {
    let house = Arc::new(House::open(&folder.join("growth")).await?);
    // What is allocated once is no task's weight.
    use_tasks(&house, 500).await?;
    let before = resident_kb()?;
    let hot = HOT.min(open);
    use_tasks(&house, hot).await?;
    let each = (resident_kb()? - before) / hot as f64;
    use_tasks(&house, open - hot).await?;
    let all = resident_kb()? * 1_024.0 / 1e6;
    let house = Arc::into_inner(house).context("the engine is still in use")?;
    house.running.stop(Duration::from_secs(5)).await;
    Ok(vec![
        Row::new(
            format!("memory per task in use ({hot} tasks, growth of the process)"),
            each,
            "KB",
            Some(Goal::AtMost(12.0, None)),
        ),
        Row::new(
            format!("resident with {open} open tasks, each used once"),
            all,
            "MB",
            Some(Goal::AtMost(512.0 * 1_048_576.0 / 1e6, None)),
        ),
    ])
}

/// Opens tasks and makes each one decide a call (a denied one: nothing is opened to a server for it).
async fn use_tasks(house: &Arc<House>, count: usize) -> anyhow::Result<()> {
    let mut all = tokio::task::JoinSet::new();
    for worker in 0..AT_ONCE {
        let house = Arc::clone(house);
        let share = count / AT_ONCE + usize::from(worker < count % AT_ONCE);
        all.spawn(async move {
            let target = Target {
                tool: "nothing_like_this".to_owned(),
                ..Target::read_file("/mcp/fs")
            };
            let mut client = Client::to(house.running.address, target, None).await?;
            for _ in 0..share {
                client.token(house.task().await?.token.to_string());
                let (status, _) = client.call().await?;
                anyhow::ensure!(status == 200, "status {status}");
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(())
}

/// Resident memory of this process, in kilobytes of 1,024.
fn resident_kb() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse()?)
}
