//! ContextForge, a gateway in Python, as a peer of the `calls` part: started by `peers/contextforge.py`, measured from outside.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use crate::house::{Client, Target};
use crate::peer::Peer;

/// A running gateway; ends when dropped.
pub struct ContextForge {
    script: Peer,
    pid: u64,
    address: SocketAddr,
}

impl ContextForge {
    /// Starts it from the virtual environment `venv` in front of `stub`.
    ///
    /// # Errors
    /// When it does not become ready.
    pub fn start(venv: &Path, folder: &Path, stub: SocketAddr) -> anyhow::Result<Self> {
        let front = format!("http://{stub}/mcp");
        let arguments = [venv.as_os_str(), folder.as_os_str(), front.as_ref()];
        let script = Peer::start("contextforge.py", arguments)?;
        Ok(Self {
            pid: script.number("pid")?,
            address: script.text("address").parse()?,
            script,
        })
    }

    /// A client of it.
    ///
    /// # Errors
    /// When it does not listen.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let target = Target {
            path: "/mcp/",
            tool: self.script.text("tool").to_owned(),
            modern: false,
        };
        Client::to(self.address, target, Some(self.script.text("token").to_owned())).await
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
