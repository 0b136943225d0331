//! Peers are started by scripts of `peers/`: one line of JSON says where they are, and they end when standard input closes.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use serde_json::Value;

/// What a script started; ended when dropped.
pub(crate) struct Peer {
    script: Child,
    said: Value,
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.script.stdin.take());
        let _waited = self.script.wait();
    }
}

impl Peer {
    /// Runs `peers/NAME` and waits for its line.
    pub(crate) fn start<A: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = A>,
    ) -> anyhow::Result<Self> {
        let mut script = Command::new("python3")
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(name))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting python3")?;
        let out = script.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let said =
            serde_json::from_str(&line).with_context(|| format!("what `{name}` starts did not start"))?;
        Ok(Self { script, said })
    }

    /// A text it said; empty when it did not.
    pub(crate) fn text(&self, key: &str) -> &str {
        self.said.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A number it said.
    pub(crate) fn number(&self, key: &str) -> anyhow::Result<u64> {
        let number = self.said.get(key).and_then(Value::as_u64);
        number.with_context(|| format!("no `{key}`"))
    }
}
