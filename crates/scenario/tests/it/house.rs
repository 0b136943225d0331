//! Running texts and files, and reading what was said about them.

use std::path::{Path, PathBuf};

use remit_scenario::{Options, Summary, run_files};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Runs files; answers what was written.
pub async fn run(files: &[PathBuf], json: bool) -> (Summary, String) {
    let mut out = Vec::new();
    let summary = run_files(files, Options { json }, &mut out).await.unwrap();
    (summary, String::from_utf8(out).unwrap())
}

/// A file that is gone when the test ends.
pub struct Scratch(pub PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// A scenario file with this text.
pub fn scratch(name: &str, text: &str) -> Scratch {
    let path = std::env::temp_dir().join(format!("remit-scenario-test-{name}-{}.yaml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    Scratch(path)
}

/// The first lines of every file here: one server, one task.
pub const WORLD: &str = r#"
scenario: a world
humans:
  ada: {roles: [initiator]}
  grace: {roles: [approver]}
agents:
  coder: {owner: ada}
servers:
  fs:
    tools:
      - name: read_file
        inputSchema: {type: object, properties: {path: {type: string}}, required: [path], additionalProperties: false}
      - name: delete_file
        inputSchema: {type: object, properties: {path: {type: string}}, required: [path], additionalProperties: false}
    answers:
      read_file: [{text: hello}]
tasks:
  work: {agent: coder, by: ada, intent: work, allow: ["fs/*"], resources: ["fs:/srv"]}
steps:
"#;
