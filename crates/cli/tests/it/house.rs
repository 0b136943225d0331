//! An empty home to run the binary in.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

pub(crate) const REMIT: &str = env!("CARGO_BIN_EXE_remit");

/// Removed with everything in it when the test ends.
pub(crate) struct House {
    pub(crate) dir: PathBuf,
}

impl House {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        // Short: the name of a Unix socket has at most 107 bytes.
        let dir = std::env::temp_dir().join(format!("remit-cli-{}-{n}", std::process::id()));
        for folder in ["run", "data", "config", "tmp", "work"] {
            std::fs::create_dir_all(dir.join(folder)).unwrap();
        }
        Self { dir }
    }

    pub(crate) fn runtime(&self) -> PathBuf {
        self.dir.join("run/remit")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("config/remit")
    }

    /// The binary with nothing but this home around it.
    pub(crate) fn remit(&self, args: &[&str]) -> Command {
        let mut command = Command::new(REMIT);
        command
            .args(args)
            .current_dir(self.dir.join("work"))
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.dir)
            .env("USER", "alice")
            .env("TMPDIR", self.dir.join("tmp"))
            .env("TZ", "UTC")
            .env("XDG_RUNTIME_DIR", self.dir.join("run"))
            .env("XDG_DATA_HOME", self.dir.join("data"))
            .env("XDG_CONFIG_HOME", self.dir.join("config"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        Said::from(self.remit(args).output().unwrap())
    }

    pub(crate) fn work(&self, name: &str) -> PathBuf {
        self.dir.join("work").join(name)
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// Standard output as JSON, line by line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        json_lines(&self.out)
    }

    /// The one JSON object on standard output, of a command that succeeded.
    pub(crate) fn object(&self) -> Value {
        assert_eq!(self.status, Some(0), "{self:?}");
        let [object] = self.lines().try_into().unwrap_or_else(|_| panic!("{self:?}"));
        object
    }
}

pub(crate) fn json_lines(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect()
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
