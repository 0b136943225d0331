//! Ready-made settings for MCP clients, in a folder of the run's own that goes with it.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::commands::mcp::{command_digest, command_of};
use crate::failure::Failure;
use crate::fields;

/// The folder; it is removed when this is dropped.
pub(super) struct Settings(PathBuf);

impl Settings {
    /// Writes the settings of a task. They name the token's variable, not the token.
    pub(super) fn write(opened: &Value, servers: &Value) -> Result<Self, Failure> {
        let folder = std::env::temp_dir().join(format!("remit-{}", fields::text(opened, "run")));
        let failed = |error| {
            Failure::local(format!(
                "cannot write settings for the command into `{}`: {error}",
                folder.display()
            ))
        };
        // Fails when it is there already: nobody else's folder is taken for ours.
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        let settings = Self(folder.clone());
        let clients = json!({
            "mcpServers": {
                "remit": {
                    "type": "http",
                    "url": fields::text(opened, "mcp_url"),
                    "headers": {"Authorization": "Bearer ${REMIT_TOKEN}"},
                }
            }
        });
        write(&settings.mcp_config(), &clients).map_err(failed)?;
        write(&settings.servers(), &by_command(servers)).map_err(failed)?;
        Ok(settings)
    }

    /// The folder itself.
    pub(super) fn folder(&self) -> &Path {
        &self.0
    }

    /// Settings in the form most MCP clients read.
    pub(super) fn mcp_config(&self) -> PathBuf {
        self.0.join("mcp.json")
    }

    /// Which registered server a command is, for `remit mcp wrap` inside the run.
    pub(super) fn servers(&self) -> PathBuf {
        self.0.join("servers.json")
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        // A run that filled its own folder with what we cannot remove has littered the temporary folder, no more.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Commands may carry secrets as arguments, so the run gets their digests alone.
fn by_command(servers: &Value) -> Value {
    let mut names = Map::new();
    for server in fields::items(servers) {
        let command = command_of(server);
        if !command.is_empty() {
            names.insert(command_digest(&command), json!(fields::text(server, "name")));
        }
    }
    Value::Object(names)
}

fn write(path: &Path, value: &Value) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(format!("{value:#}\n").as_bytes())
}
