//! `remit up` of the real binary: from start to the line `ready` on an empty data folder, and what it holds when idle.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;

use crate::report::{Goal, Row};
use crate::time::{now, percentile};

/// How long it idles before its memory is read.
const IDLE: Duration = Duration::from_secs(2);

/// `starts` starts, each on a fresh folder.
///
/// # Errors
/// When it does not become ready.
pub fn run(folder: &Path, remit: &Path, starts: usize) -> anyhow::Result<Vec<Row>> {
    let (mut times, mut resident) = (Vec::with_capacity(starts), 0.0_f64);
    for number in 0..starts {
        let start = now();
        let mut up = Up::spawn(&folder.join(format!("up-{number}")), remit)?;
        up.ready()?;
        times.push(start.elapsed());
        if number == 0 {
            std::thread::sleep(IDLE);
            resident = up.resident_mb()?;
        }
    }
    times.sort_unstable();
    Ok(vec![
        Row {
            p99: Some(percentile(&times, 0.99)),
            ..Row::new(
                "remit up: start to ready, empty",
                percentile(&times, 0.5),
                "ms",
                Some(Goal::AtMost(1_000.0, None)),
            )
        },
        Row::new(
            "remit up: resident when idle",
            resident,
            "MB",
            Some(Goal::AtMost(40.0, None)),
        ),
    ])
}

/// The running binary; ended when dropped.
pub struct Up(Child);

impl Drop for Up {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _waited = self.0.wait();
    }
}

impl Up {
    /// Starts it with all its folders in `folder`.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn spawn(folder: &Path, remit: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(remit);
        for (variable, name) in [
            ("XDG_DATA_HOME", "data"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_RUNTIME_DIR", "runtime"),
        ] {
            let path = folder.join(name);
            std::fs::create_dir_all(&path)?;
            command.env(variable, path);
        }
        let config = folder.join("remit.toml");
        std::fs::write(&config, "[listen]\naddress = \"127.0.0.1:0\"\n")?;
        let child = command
            .args(["up", "--json", "--config"])
            .arg(&config)
            .stdout(Stdio::piped())
            .spawn();
        Ok(Self(
            child.with_context(|| format!("starting `{}`", remit.display()))?,
        ))
    }

    /// Waits for its line `ready`.
    ///
    /// # Errors
    /// When it ends before.
    pub fn ready(&mut self) -> anyhow::Result<()> {
        let out = self.0.stdout.take().context("no standard output")?;
        for line in BufReader::new(out).lines() {
            if line?.contains("ready") {
                return Ok(());
            }
        }
        anyhow::bail!("it ended before it was ready")
    }

    fn resident_mb(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .context("no VmRSS")?;
        let kib: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
        Ok(kib * 1_024.0 / 1e6)
    }
}
