//! Steps that look, and change nothing outside the stage: servers' counts, files, records, cards, tasks, the ledger; and
//! those that move the stage itself: clock, engine, stub servers.

use std::time::Duration;

use remit_core::approval::ApprovalState;
use remit_core::json::{Bounds, parse};
use remit_core::name::Name;
use remit_core::time::{Clock as _, Timestamp};
use remit_server::app::{App, Failure};
use remit_server::approvals::{card, vote};
use remit_server::registry::definition::Definition;
use serde_json::{Value, json};

use super::acts::Output;
use super::judge::cut;
use super::stage::Stage;
use super::{Miss, Misses, all_of};
use crate::file::{self, EngineAct};
use crate::stub::contains;

/// How long a change that was announced may take to be fetched.
const FETCH: Duration = Duration::from_secs(10);
/// How long the engine may take to notice that the clock was moved.
const SWEEP: Duration = Duration::from_secs(10);
/// Between two looks.
const MOMENT: Duration = Duration::from_millis(5);

impl Stage<'_> {
    pub fn upstream(&self, step: &file::Upstream) -> Misses {
        let (method, target) = match (&step.tool, &step.resource, &step.prompt_name) {
            (Some(tool), _, _) => (Some("tools/call"), Some(tool)),
            (None, Some(uri), _) => (Some("resources/read"), Some(uri)),
            (None, None, Some(name)) => (Some("prompts/get"), Some(name)),
            (None, None, None) => (None, None),
        };
        let received = self.stub(&step.upstream)?.received();
        let with = step.with.clone().map(Value::Object);
        let mine = received.iter().filter(|one| {
            method.is_none_or(|method| one.method == method)
                && target.is_none_or(|target| one.target == *target)
                && with.as_ref().is_none_or(|with| contains(&one.arguments, with))
        });
        let count = mine.count();
        if count == step.received {
            return Ok(());
        }
        let all: Vec<String> = received
            .iter()
            .map(|one| format!("{} {} {}", one.method, one.target, one.arguments))
            .collect();
        Err(Miss::one(
            format!("received: {}", step.received),
            format!("{count} of these: {}", cut(&all.join("; "))),
        ))
    }

    pub fn file(&self, step: &file::File) -> Misses {
        let path = self.folder.files().join(&step.file);
        let text = std::fs::read_to_string(&path).ok();
        let exists = step.exists.unwrap_or(true);
        let Some(text) = text else {
            return if exists {
                Err(Miss::one(format!("the file {}", step.file), "it is not there"))
            } else {
                Ok(())
            };
        };
        if !exists {
            return Err(Miss::one(
                format!("no file {}", step.file),
                format!("it holds `{}`", cut(&text)),
            ));
        }
        if let Some(wanted) = step.text.as_ref().filter(|wanted| **wanted != text) {
            return Err(Miss::one(
                format!("text: {wanted}"),
                format!("it holds `{}`", cut(&text)),
            ));
        }
        match step.contains.0.iter().find(|part| !text.contains(part.as_str())) {
            Some(part) => Err(Miss::one(
                format!("contains: {part}"),
                format!("it holds `{}`", cut(&text)),
            )),
            None => Ok(()),
        }
    }

    pub async fn look_for_records(&self, step: &file::Records) -> Misses {
        let task = step
            .task
            .as_deref()
            .map(|task| self.task(task))
            .transpose()?
            .map(|task| task.id.to_string());
        let wanted = Value::Object(step.records.clone());
        let records = self.records(0).await;
        let mine = records.iter().filter(|record| {
            task.as_ref().is_none_or(|task| record["task"] == task.as_str()) && contains(record, &wanted)
        });
        let count = mine.count();
        match step.count {
            Some(wanted) if wanted != count => Err(Miss::one(
                format!("count: {wanted}"),
                format!("{count} such records"),
            )),
            None if count == 0 => Err(Miss::one(
                "at least one such record",
                format!("none among {}", records.len()),
            )),
            _ => Ok(()),
        }
    }

    pub async fn card(&self, step: &file::Card) -> Misses {
        let id = self.approval(&step.card)?;
        let stored = self
            .engine()?
            .run(move |app| async move { vote::get(&app, id).await })
            .await?;
        let shown = parse(stored.card.as_bytes(), &Bounds::RESPONSE).map_err(Failure::invalid)?;
        let lines = shown
            .as_object()
            .map(card::lines_of)
            .unwrap_or_default()
            .join("\n");
        let mut misses = Vec::new();
        for part in step
            .contains
            .0
            .iter()
            .filter(|part| !lines.contains(part.as_str()))
        {
            misses.push(Miss::new(
                format!("contains: {part}"),
                format!("the card:\n{lines}"),
            ));
        }
        for part in step.lacks.0.iter().filter(|part| lines.contains(part.as_str())) {
            misses.push(Miss::new(format!("lacks: {part}"), format!("the card:\n{lines}")));
        }
        let state = stored.approval.state.as_str();
        if let Some(wanted) = step.state.as_ref().filter(|wanted| *wanted != state) {
            misses.push(Miss::new(format!("state: {wanted}"), format!("it is {state}")));
        }
        let votes = stored.approval.votes.len();
        if let Some(wanted) = step.votes.filter(|wanted| *wanted != votes) {
            misses.push(Miss::new(format!("votes: {wanted}"), format!("{votes} votes")));
        }
        all_of(misses)
    }

    pub async fn show_task(&self, step: &file::TaskShow) -> Misses {
        let id = self.task(&step.task_show)?.id;
        let state = self.engine()?.run(move |app| async move {
            let stored = app
                .store
                .read(move |conn| Ok::<_, Failure>(remit_store::tasks::get(conn, id)?))
                .await?;
            Ok(stored.map(|stored| stored.task.state.as_str()).unwrap_or("gone"))
        });
        let state = state.await?;
        if state == step.state {
            Ok(())
        } else {
            Err(Miss::one(
                format!("state: {}", step.state),
                format!("it is {state}"),
            ))
        }
    }

    pub async fn verify(&self) -> Misses {
        let verified = self.engine()?.run(|app| async move {
            let verified = remit_server::evidence::verify::verify(&app, None).await?;
            let mut found: Vec<String> = verified.report.findings.iter().map(ToString::to_string).collect();
            found.extend(verified.columns);
            Ok(found)
        });
        let found = verified.await?;
        if found.is_empty() {
            Ok(())
        } else {
            Err(Miss::one("a ledger that verifies", found.join("; ")))
        }
    }

    /// Moves the clock, and waits until the engine has done what falls due by it.
    pub async fn move_clock(&self, step: &file::Clock) -> Output {
        self.clock.advance(step.clock.0);
        if let Ok(engine) = self.engine() {
            let now = self.clock.now();
            let waiting = async {
                while engine
                    .run(move |app| async move { is_due(&app, now).await })
                    .await?
                {
                    tokio::time::sleep(MOMENT).await;
                }
                Ok::<_, Failure>(())
            };
            let waited = tokio::time::timeout(SWEEP, waiting).await;
            waited.map_err(|_| Failure::unavailable("what fell due was not done within 10 s"))??;
        }
        Ok(json!({ "now": self.clock.now().to_string() }))
    }

    pub async fn move_engine(&mut self, act: EngineAct) -> Output {
        match (act, self.engine.take()) {
            (EngineAct::Kill, Some(engine)) => engine.kill().await,
            (EngineAct::Stop, Some(engine)) => engine.stop().await,
            (EngineAct::Start, None) => {
                self.engine = Some(self.place.start().await.map_err(Failure::Unavailable)?);
            }
            (EngineAct::Start, running) => {
                self.engine = running;
                return Err(Failure::Conflict("the engine is running already".to_owned()));
            }
            (EngineAct::Kill | EngineAct::Stop, None) => {
                return Err(Failure::Conflict("the engine is not running".to_owned()));
            }
        }
        Ok(json!({}))
    }

    pub async fn change(&self, step: &file::Change) -> Output {
        let stub = self.stub(&step.change)?;
        let told = step.notify && stub.has_listeners();
        stub.change(step);
        if told {
            self.fetched(&step.change).await?;
        }
        Ok(json!({}))
    }

    /// Waits until the registry has seen what a server lists now.
    async fn fetched(&self, server: &str) -> Result<(), Failure> {
        let mut listed = Vec::new();
        for tool in self.stub(server)?.tools() {
            let text = Value::Object(tool).to_string();
            let tool = parse(text.as_bytes(), &Bounds::RESPONSE).map_err(Failure::invalid)?;
            listed.extend(tool.as_object().cloned().and_then(Definition::new));
        }
        let name: Name = super::acts::parse(server)?;
        let app = self.engine()?.app();
        let seen = || {
            let world = app.world();
            let entry = world.registry.server(&name)?;
            let known = |tool: &Definition| {
                let name = tool.name().ok()?;
                Some(entry.tools.get(&name)?.tool.fingerprint == tool.fingerprint())
            };
            // A name that MCP does not allow is never registered: nothing to wait for.
            Some(
                listed
                    .iter()
                    .filter(|tool| tool.name().is_ok())
                    .all(|tool| known(tool) == Some(true)),
            )
        };
        let waiting = async {
            while seen() != Some(true) {
                tokio::time::sleep(MOMENT).await;
            }
        };
        let waited = tokio::time::timeout(FETCH, waiting).await;
        waited.map_err(|_| Failure::unavailable("the changed tools were not fetched within 10 s"))
    }
}

/// True while a task or an approval whose time is over has not been closed.
async fn is_due(app: &App, now: Timestamp) -> Result<bool, Failure> {
    if remit_server::tasks::pulse::is_due(app).await? {
        return Ok(true);
    }
    app.store
        .read(move |conn| {
            let mut waiting = remit_store::approvals::in_state(conn, ApprovalState::Pending, u32::MAX)?;
            waiting.extend(remit_store::approvals::in_state(
                conn,
                ApprovalState::Approved,
                u32::MAX,
            )?);
            let over = waiting.iter().any(|one| one.approval.expires_at <= now);
            Ok::<_, Failure>(over || !remit_store::tasks::due(conn, now, 1)?.is_empty())
        })
        .await
}
