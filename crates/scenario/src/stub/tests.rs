//! The stub servers and the client against each other, in both revisions.

use std::path::PathBuf;

use serde_json::json;

use super::Stub;
use crate::client::{Answer, Ask, Caller, Client, Outcome};
use crate::file::{self, Do, Revision, Scenario};

const FILE: &str = r#"
scenario: stub and client
servers:
  fs:
    revision: "REVISION"
    instructions: be kind
    tools:
      - {name: read, description: reads, inputSchema: {type: object}}
      - {name: write, inputSchema: {type: object}}
    resources:
      - {uri: "file:///notes", name: notes, text: hello notes}
    prompts:
      - {name: greet, text: hello prompt}
    answers:
      read:
        - {with: {path: a}, text: it is a}
        - {nth: 2, tool_error: broken}
        - {with: {path: crash}, crash: true}
        - {with: {path: huge}, huge: 3000000}
        - {with: {path: error}, error: {code: -32000, message: no}}
      write:
        - {text: written, writes: {out.txt: content}}
secrets:
  key: {value: canary-0123456789}
steps:
  - change: fs
    rename: {read: look}
    reformat: true
  - change: fs
    restart: true
"#;

struct Stage {
    stub: Stub,
    client: Client,
    caller: Caller,
    scenario: Scenario,
    folder: PathBuf,
}

impl Drop for Stage {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).unwrap();
    }
}

impl Stage {
    async fn new(revision: Revision, name: &str) -> Self {
        let scenario = file::read(&FILE.replace("REVISION", revision.as_str())).unwrap();
        let folder = std::env::temp_dir().join(format!(
            "remit-stub-{name}-{}-{}",
            revision.as_str(),
            std::process::id()
        ));
        std::fs::create_dir_all(&folder).unwrap();
        let secrets = vec![("key".to_owned(), "canary-0123456789".to_owned())];
        let stub = Stub::start("fs", scenario.servers.get("fs").unwrap(), &folder, secrets)
            .await
            .unwrap();
        let address = stub
            .url()
            .strip_prefix("http://")
            .unwrap()
            .strip_suffix("/mcp")
            .unwrap()
            .to_owned();
        let caller = Caller {
            address,
            ..Caller::default()
        };
        Self {
            stub,
            client: Client::new("claude", revision),
            caller,
            scenario,
            folder,
        }
    }

    async fn ask(&self, ask: Ask) -> Answer {
        self.client.ask(&self.caller, &ask).await
    }

    async fn call(&self, tool: &str, arguments: serde_json::Value) -> Answer {
        self.ask(Ask::tool("/mcp", tool, arguments.to_string())).await
    }

    async fn names(&self) -> Vec<String> {
        let answer = self.ask(Ask::list("/mcp", "tools/list")).await;
        Client::items(&answer)
    }

    fn change(&self, step: usize) {
        let Do::Change(change) = &self.scenario.steps[step].act else {
            panic!("not a change")
        };
        self.stub.change(change);
    }
}

async fn answers(revision: Revision) {
    let stage = Stage::new(revision, "answers").await;
    assert_eq!(stage.names().await, ["read", "write"]);
    assert_eq!(
        stage.call("read", json!({ "path": "a", "more": 1 })).await.text(),
        "it is a"
    );
    let second = stage.call("read", json!({ "path": "b" })).await;
    assert!(second.failed() && second.text() == "broken", "{second:?}");
    let crashed = stage.call("read", json!({ "path": "crash" })).await;
    assert!(matches!(crashed.outcome, Outcome::Nothing(_)), "{crashed:?}");
    assert_eq!(
        stage.call("read", json!({ "path": "huge" })).await.text().len(),
        3_000_000
    );
    let refused = stage.call("read", json!({ "path": "error" })).await;
    assert!(
        matches!(refused.outcome, Outcome::Error { code: -32000, .. }),
        "{refused:?}"
    );
    assert_eq!(stage.call("read", json!({})).await.text(), "ok");
    assert_eq!(stage.call("write", json!({})).await.text(), "written");
    assert_eq!(
        std::fs::read_to_string(stage.folder.join("out.txt")).unwrap(),
        "content"
    );
    assert_eq!(
        stage.ask(Ask::resource("/mcp", "file:///notes")).await.text(),
        "hello notes"
    );
    assert_eq!(
        stage
            .ask(Ask::prompt("/mcp", "greet", &serde_json::Map::new()))
            .await
            .text(),
        "hello prompt"
    );
    assert_eq!(stage.stub.received().len(), 9);
    assert!(stage.stub.leaked().is_empty());
    stage.call("write", json!({ "text": "canary-0123456789" })).await;
    assert!(stage.stub.leaked().contains("key"));
}

async fn changes(revision: Revision) {
    let stage = Stage::new(revision, "changes").await;
    assert_eq!(stage.names().await, ["read", "write"]);
    stage.change(0);
    assert_eq!(stage.names().await, ["look", "write"]);
    stage.change(1);
    assert_eq!(
        stage.names().await,
        ["look", "write"],
        "the client begins anew after a restart"
    );
}

#[tokio::test]
async fn a_modern_stub_answers() {
    answers(Revision::Modern).await;
}

#[tokio::test]
async fn a_legacy_stub_answers() {
    answers(Revision::Legacy).await;
}

#[tokio::test]
async fn a_modern_stub_changes() {
    changes(Revision::Modern).await;
}

#[tokio::test]
async fn a_legacy_stub_changes() {
    changes(Revision::Legacy).await;
}
