//! Everything one scenario runs on: engine, stub servers, clients, and what its names stand for.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::id::{ApprovalId, RunId, TaskId};
use remit_server::app::Failure;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::folder::Folder;
use crate::client::{Answer, Caller, Client};
use crate::clock::ScenarioClock;
use crate::engine_handle::{Engine, Place};
use crate::file::{From, Scenario};
use crate::stub::Stub;
use crate::web::Web;

/// One scenario under way.
#[derive(Debug)]
pub(super) struct Stage<'s> {
    pub scenario: &'s Scenario,
    pub clock: ScenarioClock,
    pub place: Place,
    pub engine: Option<Engine>,
    pub stubs: BTreeMap<String, Stub>,
    /// The HTTP hosts, where there are any.
    pub web: Option<Arc<Web>>,
    pub clients: BTreeMap<String, std::sync::Arc<Client>>,
    pub tasks: BTreeMap<String, OpenTask>,
    pub calls: BTreeMap<String, NamedCall>,
    /// Dropped last: the engine's data is in it.
    pub folder: Folder,
}

/// A task of the scenario.
#[derive(Clone, Debug)]
pub(super) struct OpenTask {
    pub id: TaskId,
    pub run: RunId,
    pub agent: String,
    pub token: String,
}

/// A call with a name.
#[derive(Debug)]
pub(super) struct NamedCall {
    /// The task whose run made it.
    pub task: String,
    /// Where it was made: `/mcp/{server}` or `/mcp`.
    pub path: String,
    /// What it was for.
    pub target: Target,
    /// The approval it waits for or was given.
    pub approval: Option<ApprovalId>,
    /// Its answer, while it runs in the background.
    pub waiting: Option<JoinHandle<Answer>>,
    /// How many records there were before it.
    pub records: u64,
    /// How many requests for its target had reached the server before it.
    pub reached: usize,
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub server: String,
    pub method: &'static str,
    pub name: String,
}

impl Target {
    /// As records call it.
    pub fn tool(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }
}

impl Stage<'_> {
    /// The engine.
    pub fn engine(&self) -> Result<&Engine, Failure> {
        self.engine.as_ref().ok_or_else(|| {
            Failure::Unavailable("the engine is not running; start it with `engine: start`".to_owned())
        })
    }

    /// A task by its name.
    pub fn task(&self, name: &str) -> Result<&OpenTask, Failure> {
        self.tasks
            .get(name)
            .ok_or_else(|| Failure::NotFound(format!("the task `{name}` was not opened")))
    }

    /// A stub server by its name.
    pub fn stub(&self, name: &str) -> Result<&Stub, Failure> {
        self.stubs
            .get(name)
            .ok_or_else(|| Failure::NotFound(format!("no stub server `{name}`")))
    }

    /// The task whose run makes a call.
    pub fn caller_task(&self, from: &From) -> Result<String, Failure> {
        match &from.run {
            Some(name) => self.task(name).map(|_| name.clone()),
            None => {
                let only = self.tasks.keys().next().cloned();
                only.ok_or_else(|| Failure::NotFound("no task is open".to_owned()))
            }
        }
    }

    /// How the run of `task` presents itself.
    pub fn caller(&self, task: &str, from: &From) -> Result<Caller, Failure> {
        let token = match from.token.as_deref() {
            None => Some(self.task(task)?.token.clone()),
            Some("none") => None,
            Some("unknown") => Some(unknown_token(&self.task(task)?.token)),
            Some(other) => Some(self.task(other)?.token.clone()),
        };
        Ok(Caller {
            // A client that finds nobody there learns so by itself.
            address: self
                .engine
                .as_ref()
                .map_or_else(|| "127.0.0.1:9".to_owned(), Engine::address),
            token,
            host: from.host.clone(),
            origin: from.origin.clone(),
        })
    }

    /// The client that plays an agent.
    pub fn client(&mut self, agent: &str) -> std::sync::Arc<Client> {
        let revision = self.scenario.revision;
        let client = self
            .clients
            .entry(agent.to_owned())
            .or_insert_with(|| std::sync::Arc::new(Client::new(agent, revision)));
        std::sync::Arc::clone(client)
    }

    /// How many records there are; none while the engine is down.
    pub async fn record_count(&self) -> u64 {
        let Ok(engine) = self.engine() else { return 0 };
        let counted = engine.run(|app| async move {
            app.store
                .read(|conn| Ok::<_, Failure>(remit_store::records::count(conn)?))
                .await
        });
        counted.await.unwrap_or_default()
    }

    /// The records from `from` on, as JSON; none while the engine is down.
    pub async fn records(&self, from: u64) -> Vec<Value> {
        let Ok(engine) = self.engine() else {
            return Vec::new();
        };
        let read = engine.run(move |app| async move {
            app.store
                .read(move |conn| Ok::<_, Failure>(remit_store::records::range(conn, from, u32::MAX)?))
                .await
        });
        let stored = read.await.unwrap_or_default();
        stored
            .iter()
            .filter_map(|record| serde_json::from_slice(&record.leaf).ok())
            .collect()
    }

    /// How many requests for `target` have reached its server.
    pub fn reached(&self, target: &Target) -> usize {
        if target.method == "http" {
            let reached = self.web.as_ref().map(|web| web.reached()).unwrap_or_default();
            return reached.iter().filter(|host| **host == target.name).count();
        }
        let Some(stub) = self.stubs.get(&target.server) else {
            return 0;
        };
        let mine = stub
            .received()
            .into_iter()
            .filter(|r| r.method == target.method && r.target == target.name);
        mine.count()
    }
}

/// A token of the same shape that nobody was given: the last letter is another one.
fn unknown_token(known: &str) -> String {
    let mut token = known.to_owned();
    let last = token.pop();
    token.push(if last == Some('a') { 'b' } else { 'a' });
    token
}
