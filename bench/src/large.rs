//! A ledger of millions: what `who` costs on it, and how soon `remit up` is ready on it. Filling it takes minutes, so this part
//! runs only when it is named.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{DecisionId, RunId, TaskId};
use remit_core::time::Clock as _;
use remit_ledger::record::Record;
use remit_server::clock::SystemClock;
use remit_server::evidence;

use crate::house::House;
use crate::report::{Goal, Row};
use crate::time::{now, percentile};
use crate::up::Up;

const WRITERS: usize = 256;
/// Files the records are about; the last one in a thousand records is about a rare one.
const FILES: u64 = 50_000;
const LOOKS: u64 = 200;

/// Fills a ledger with `count` records, asks it, and starts the real binary on it.
///
/// # Errors
/// When something is refused or does not start.
pub async fn run(folder: &Path, remit: Option<&Path>, count: u64) -> anyhow::Result<Vec<Row>> {
    let folder = folder.join("large");
    // Where the binary looks: `$XDG_DATA_HOME/remit`.
    let house = House::at(&folder, &folder.join("data/remit")).await?;
    let start = now();
    fill(&house, count).await?;
    let rate = count as f64 / start.elapsed().as_secs_f64();
    house.app().store.sequence().await?;
    let mut times = Vec::new();
    for look in 0..LOOKS {
        let file = look * (FILES / LOOKS);
        let resource = format!("fs:/srv/repo/{file}").parse()?;
        let start = now();
        let found = evidence::who(house.app(), resource, None).await?;
        times.push(start.elapsed());
        anyhow::ensure!(!found.is_empty(), "nobody touched file {file}");
    }
    times.sort_unstable();
    house.running.stop(Duration::from_secs(30)).await;
    let mut rows = vec![
        Row::new(format!("filling a ledger with {count} records"), rate, "/s", None),
        Row {
            p99: Some(percentile(&times, 0.99)),
            ..Row::new(
                format!("who, at {count} records"),
                percentile(&times, 0.5),
                "ms",
                Some(Goal::AtMost(50.0, Some(50.0))),
            )
        },
    ];
    if let Some(remit) = remit {
        let start = now();
        let mut up = Up::spawn(&folder, remit)?;
        up.ready()?;
        rows.push(Row::new(
            format!("remit up: start to ready, {count} records"),
            crate::time::ms(start.elapsed()),
            "ms",
            Some(Goal::AtMost(2_000.0, None)),
        ));
    }
    Ok(rows)
}

async fn fill(house: &House, count: u64) -> anyhow::Result<()> {
    let mut all = tokio::task::JoinSet::new();
    for writer in 0..WRITERS as u64 {
        let app = Arc::clone(house.app());
        all.spawn(async move {
            let entropy = SeededEntropy::new(writer);
            let clock = SystemClock;
            let (mut task, mut run) = (
                TaskId::fresh(clock.now(), &entropy)?,
                RunId::fresh(clock.now(), &entropy)?,
            );
            for number in (writer..count).step_by(WRITERS) {
                // A task makes some fifty calls.
                if (number / WRITERS as u64).is_multiple_of(100) {
                    (task, run) = (
                        TaskId::fresh(clock.now(), &entropy)?,
                        RunId::fresh(clock.now(), &entropy)?,
                    );
                }
                let decision = DecisionId::fresh(clock.now(), &entropy)?;
                let file = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % FILES;
                let record = Record {
                    kind: "decision".to_owned(),
                    decision_id: Some(decision.to_string()),
                    task: Some(task.to_string()),
                    run: Some(run.to_string()),
                    agent: Some("coder".to_owned()),
                    initiator: Some("alice".to_owned()),
                    tool: Some("fs/read_file".to_owned()),
                    class: Some("read".to_owned()),
                    resource: Some(format!("fs:/srv/repo/{file}")),
                    decision: Some("allow".to_owned()),
                    reason: Some("permitted".to_owned()),
                    rules: vec!["baseline.within-the-task".to_owned()],
                    lane: Some("enforced".to_owned()),
                    digest: Some(Digest::of(&number.to_be_bytes())),
                    ..Record::default()
                };
                app.store.append(record, |_| Ok(())).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(done) = all.join_next().await {
        done??;
    }
    Ok(())
}
