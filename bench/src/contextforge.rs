//! ContextForge, a gateway in Python, as a peer of the `calls` part: started by `peers/contextforge.py`, measured from outside.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use crate::house::{Client, Target};

/// A running gateway; ends when dropped.
pub struct ContextForge {
    script: Child,
    pid: u64,
    address: SocketAddr,
    token: String,
    tool: String,
}

impl Drop for ContextForge {
    fn drop(&mut self) {
        // The script ends the gateway when its standard input closes.
        drop(self.script.stdin.take());
        let _waited = self.script.wait();
    }
}

impl ContextForge {
    /// Starts it from the virtual environment `venv` in front of `stub`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(venv: &Path, folder: &Path, stub: SocketAddr) -> anyhow::Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/contextforge.py");
        let mut child = Command::new("python3")
            .arg(script)
            .args([venv, folder])
            .arg(format!("http://{stub}/mcp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting python3")?;
        let out = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).context("ContextForge did not start")?;
        let text = |key: &str| {
            said.get(key)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Ok(Self {
            script: child,
            pid: said.get("pid").and_then(Value::as_u64).context("no pid")?,
            address: text("address").parse()?,
            token: text("token"),
            tool: text("tool"),
        })
    }

    /// A client of it.
    ///
    /// # Errors
    /// When it does not listen.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let target = Target {
            path: "/mcp/",
            tool: self.tool.clone(),
            modern: false,
        };
        Client::to(self.address, target, Some(self.token.clone())).await
    }

    /// CPU time of it and of the children it has waited for.
    ///
    /// # Errors
    /// When it is gone.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        /// Clock ticks per second, the same on every Linux.
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid))?;
        let (_, rest) = stat.rsplit_once(')').context("no command in stat")?;
        let ticks: u64 = rest
            .split_whitespace()
            .skip(11)
            .take(4)
            .filter_map(|field| field.parse::<u64>().ok())
            .sum();
        Ok(Duration::from_secs_f64(ticks as f64 / TICKS))
    }
}
