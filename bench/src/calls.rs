//! What Remit adds to a `tools/call`: the same call by the same client to the same server, directly and through the engine,
//! in turns, so that both meet the machine in the same mood. CPU is that of the whole process: the direct calls' share (client
//! and server) is taken off.

use std::path::Path;
use std::time::Duration;

use crate::house::{Client, House};
use crate::report::{Goal, Row};
use crate::time::{cpu, now, percentile, us_each};

const WARM_UP: usize = 50;
const TURN: usize = 50;

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

/// `count` calls each way, one after the other.
///
/// # Errors
/// When the engine does not start or a call is not answered.
pub async fn run(folder: &Path, count: usize) -> anyhow::Result<Vec<Row>> {
    let house = House::open(&folder.join("calls")).await?;
    let task = house.task().await?;
    let mut direct = Client::connect(house.stub, "/mcp", None).await?;
    let mut through = Client::connect(house.running.address, "/mcp/fs", Some(task.token.to_string())).await?;
    let (mut without, mut with) = (Times::default(), Times::default());
    Times::default().turn(&mut direct, WARM_UP).await?;
    Times::default().turn(&mut through, WARM_UP).await?;
    for _ in 0..count.div_ceil(TURN) {
        without.turn(&mut direct, TURN).await?;
        with.turn(&mut through, TURN).await?;
    }
    house.running.stop(Duration::from_secs(5)).await;
    let (without, without_cpu) = without.sorted();
    let (with, with_cpu) = with.sorted();
    let row = |what: &str, times: &[Duration]| Row {
        p99: Some(percentile(times, 0.99)),
        ..Row::new(what, percentile(times, 0.5), "ms", None)
    };
    Ok(vec![
        row("tools/call, direct", &without),
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
        Row::new("tools/call: added CPU", with_cpu - without_cpu, "µs", None),
    ])
}
