//! Steps in which a run asks for something: calls, reads, prompts, lists, redeeming, and answers that come later.

use std::sync::Arc;
use std::time::Duration;

use remit_core::approval::ApprovalState;
use remit_core::id::ApprovalId;
use remit_server::app::Failure;
use serde_json::{Map, Value, json};

use super::judge::{Seen, describe, judge};
use super::stage::{NamedCall, OpenTask, Stage, Target};
use super::{Miss, Missed, Misses, all_of};
use crate::client::{Answer, Ask, Client, Outcome};
use crate::file::{self, Answered, Expect, From, ListKind, Reading};

/// The built-in server.
const OURS: &str = "remit";
/// How long a call in the background may take to get anywhere.
const UNDER_WAY: Duration = Duration::from_secs(30);
/// Between two looks.
const MOMENT: Duration = Duration::from_millis(5);

/// One request with everything that is needed to judge it.
struct Asking {
    task: String,
    target: Target,
    ask: Ask,
}

impl Stage<'_> {
    pub async fn call(&mut self, step: &file::Call, from: &From, expect: &Answered) -> Misses {
        let (server, tool) = step.call.split_once('/').unwrap_or_default();
        let path = if step.aggregated {
            "/mcp".to_owned()
        } else {
            format!("/mcp/{server}")
        };
        let exposed = if step.aggregated {
            format!("{server}__{tool}")
        } else {
            tool.to_owned()
        };
        let arguments = match (&step.raw, &step.with) {
            (Some(raw), _) => raw.clone(),
            (None, Some(with)) => Value::Object(with.clone()).to_string(),
            (None, None) => "{}".to_owned(),
        };
        let asking = Asking {
            task: self.caller_task(from)?,
            target: target(server, "tools/call", tool),
            ask: Ask::tool(&path, &exposed, arguments),
        };
        for turn in 1..=step.repeat.unwrap_or(1) {
            let misses = self.once(&asking, from, expect, step.name.as_deref()).await;
            if let Err(Missed(misses)) = misses {
                let which = step.repeat.map_or_else(String::new, |_| format!("call {turn}: "));
                return all_of(misses.into_iter().map(|miss| miss.prefixed(&which)).collect());
            }
        }
        Ok(())
    }

    pub async fn read(&mut self, step: &file::Read, from: &From, expect: &Answered) -> Misses {
        let asking = Asking {
            task: self.caller_task(from)?,
            target: target(&step.server, "resources/read", &step.read),
            ask: Ask::resource(&format!("/mcp/{}", step.server), &step.read),
        };
        self.once(&asking, from, expect, step.name.as_deref()).await
    }

    pub async fn prompt(&mut self, step: &file::Prompt, from: &From, expect: &Answered) -> Misses {
        let none = Map::new();
        let arguments = step.with.as_ref().unwrap_or(&none);
        let asking = Asking {
            task: self.caller_task(from)?,
            target: target(&step.server, "prompts/get", &step.prompt),
            ask: Ask::prompt(&format!("/mcp/{}", step.server), &step.prompt, arguments),
        };
        self.once(&asking, from, expect, step.name.as_deref()).await
    }

    pub async fn list(&mut self, step: &file::List, from: &From, expect: &Reading) -> Misses {
        let path = step
            .server
            .as_ref()
            .map_or_else(|| "/mcp".to_owned(), |server| format!("/mcp/{server}"));
        let method = match step.list {
            ListKind::Tools => "tools/list",
            ListKind::Resources => "resources/list",
            ListKind::Prompts => "prompts/list",
        };
        let answer = self
            .send(&self.caller_task(from)?, from, &Ask::list(&path, method))
            .await?;
        listed(expect, &answer)
    }

    pub async fn resume(&mut self, step: &file::Resume, from: &From, expect: &Answered) -> Misses {
        if self.named(&step.resume)?.path == super::web::REDEEM {
            return self.redeem_http(&step.resume, from, expect).await;
        }
        let approval = self.approval(&step.resume)?;
        let call = self.named(&step.resume)?;
        let (path, target, records) = (call.path.clone(), call.target.clone(), call.records);
        let task = from.run.clone().unwrap_or_else(|| call.task.clone());
        let reached = self.reached(&target);
        let arguments = json!({ "approval_id": approval.to_string() }).to_string();
        let answer = self
            .send(&task, from, &Ask::tool(&path, "remit__resume", arguments))
            .await?;
        let seen = Seen {
            answer,
            records: self.records(records).await,
            tool: target.tool(),
            reached: self.reached(&target) - reached,
        };
        missed(expect, &seen, None)
    }

    pub async fn join(&mut self, step: &file::Join, expect: &Answered) -> Misses {
        let waiting = self
            .calls
            .get_mut(&step.join)
            .and_then(|call| call.waiting.take());
        let waiting =
            waiting.ok_or_else(|| Failure::NotFound(format!("no call `{}` is under way", step.join)))?;
        let answer = waiting.await.map_err(Failure::unavailable)?;
        let call = self.named(&step.join)?;
        let seen = Seen {
            answer,
            records: self.records(call.records).await,
            tool: call.target.tool(),
            reached: self.reached(&call.target) - call.reached,
        };
        missed(expect, &seen, None)
    }

    /// Sends one request, judges its answer, and remembers it under its name.
    async fn once(&mut self, asking: &Asking, from: &From, expect: &Answered, name: Option<&str>) -> Misses {
        let reached = self.reached(&asking.target);
        let records = self.record_count().await;
        let answer = self.send(&asking.task, from, &asking.ask).await?;
        let seen = Seen {
            records: self.records(records).await,
            tool: asking.target.tool(),
            reached: self.reached(&asking.target) - reached,
            answer,
        };
        if let Some(name) = name {
            let approval = seen
                .answer
                .shown()
                .and_then(|shown| shown.approval_id?.parse().ok());
            self.remember(name, asking, approval, None, records, reached);
            self.delegated(name, &seen.answer);
        }
        // What is asked of Remit itself reaches no server.
        let turns = (asking.target.server != OURS).then_some(1);
        missed(expect, &seen, turns)
    }

    /// A task that was delegated is known by the name of the call.
    fn delegated(&mut self, name: &str, answer: &Answer) {
        let Outcome::Result(result) = &answer.outcome else {
            return;
        };
        let shown = &result["structuredContent"];
        let text = |key: &str| shown[key].as_str();
        let opened = (|| {
            Some(OpenTask {
                id: text("task")?.parse().ok()?,
                run: text("run")?.parse().ok()?,
                agent: text("agent")?.to_owned(),
                token: text("token")?.to_owned(),
            })
        })();
        if let Some(opened) = opened {
            self.tasks.insert(name.to_owned(), opened);
        }
    }

    /// Sends a request in the background; goes on once it waits for people, has reached its server or is answered.
    pub async fn begin(&mut self, step: &file::Begin, from: &From) -> Misses {
        let (server, tool) = step.begin.split_once('/').unwrap_or_default();
        let arguments = Value::Object(step.with.clone().unwrap_or_default()).to_string();
        let asking = Asking {
            task: self.caller_task(from)?,
            target: target(server, "tools/call", tool),
            ask: Ask::tool(&format!("/mcp/{server}"), tool, arguments),
        };
        let reached = self.reached(&asking.target);
        let records = self.record_count().await;
        let (client, caller) = self.who(&asking.task, from)?;
        let ask = asking.ask.clone();
        let waiting = tokio::spawn(async move { client.ask(&caller, &ask).await });
        let looking = async {
            loop {
                if waiting.is_finished() || self.reached(&asking.target) > reached {
                    return None;
                }
                if let Some(approval) = self.held_since(records).await {
                    return Some(approval);
                }
                tokio::time::sleep(MOMENT).await;
            }
        };
        let approval = tokio::time::timeout(UNDER_WAY, looking).await;
        let approval = approval.map_err(|_| Failure::unavailable("the call got nowhere within 30 s"))?;
        self.remember(&step.name, &asking, approval, Some(waiting), records, reached);
        Ok(())
    }

    /// The approval a call was held for since there were `records` records.
    async fn held_since(&self, records: u64) -> Option<ApprovalId> {
        let since = self.records(records).await;
        let held = since
            .iter()
            .find(|record| record["type"] == "decision" && record["decision"] == "hold")?;
        held["approval"].as_str()?.parse().ok()
    }

    fn remember(
        &mut self,
        name: &str,
        asking: &Asking,
        approval: Option<ApprovalId>,
        waiting: Option<tokio::task::JoinHandle<Answer>>,
        records: u64,
        reached: usize,
    ) {
        let call = NamedCall {
            task: asking.task.clone(),
            path: asking.ask.path.clone(),
            target: asking.target.clone(),
            approval,
            waiting,
            records,
            reached,
        };
        self.calls.insert(name.to_owned(), call);
    }

    fn who(&mut self, task: &str, from: &From) -> Result<(Arc<Client>, crate::client::Caller), Failure> {
        let caller = self.caller(task, from)?;
        let agent = self.task(task)?.agent.clone();
        Ok((self.client(&agent), caller))
    }

    async fn send(&mut self, task: &str, from: &From, ask: &Ask) -> Result<Answer, Failure> {
        let (client, caller) = self.who(task, from)?;
        Ok(client.ask(&caller, ask).await)
    }

    /// A named call.
    pub fn named(&self, name: &str) -> Result<&NamedCall, Failure> {
        self.calls
            .get(name)
            .ok_or_else(|| Failure::NotFound(format!("no call is named `{name}`")))
    }

    /// The approval of a named call.
    pub fn approval(&self, name: &str) -> Result<ApprovalId, Failure> {
        let approval = self.named(name)?.approval;
        approval.ok_or_else(|| {
            Failure::NotFound(format!(
                "the call `{name}` was not held: there is nothing to decide"
            ))
        })
    }

    /// Waits until an approved call has been executed, or given up, or at least has reached a server that does not answer.
    pub async fn settled(
        &self,
        approval: ApprovalId,
        target: &Target,
        reached: usize,
    ) -> Result<(), Failure> {
        const ANSWER: Duration = Duration::from_secs(3);
        let look = async {
            loop {
                let state = self
                    .engine()?
                    .run(move |app| async move {
                        let stored = remit_server::approvals::vote::get(&app, approval).await?;
                        let call = stored.approval.call;
                        let call = app
                            .store
                            .read(move |conn| Ok::<_, Failure>(remit_store::calls::get(conn, call)?))
                            .await?;
                        Ok((
                            stored.approval.state,
                            call.is_none_or(|call| call.state.is_final()),
                        ))
                    })
                    .await?;
                match state {
                    (ApprovalState::Approved, _) | (ApprovalState::Spent, false) => {
                        tokio::time::sleep(MOMENT).await;
                    }
                    _ => return Ok(()),
                }
            }
        };
        match tokio::time::timeout(ANSWER, look).await {
            Ok(settled) => settled,
            Err(_) if self.reached(target) > reached => Ok(()),
            // The server cannot be reached: the call stays approved until it can.
            Err(_) => Ok(()),
        }
    }
}

fn target(server: &str, method: &'static str, name: &str) -> Target {
    Target {
        server: server.to_owned(),
        method,
        name: name.to_owned(),
    }
}

pub(super) fn missed(expect: &Answered, seen: &Seen, reached: Option<usize>) -> Misses {
    let wrong = judge(expect, seen, reached);
    let decision = describe(&seen.decided());
    let miss = |(expected, happened)| Miss {
        expected,
        happened,
        decision: Some(decision.clone()),
    };
    all_of(wrong.into_iter().map(miss).collect())
}

fn listed(expect: &Reading, answer: &Answer) -> Misses {
    let mut misses = Vec::new();
    let refused = !matches!(answer.outcome, Outcome::Result(_));
    let shown = answer.shown();
    let wants_list = matches!(expect.expect, Expect::Allow | Expect::Flag);
    if refused == wants_list {
        misses.push(Miss::new(
            format!("expect: {}", expect.expect.as_str()),
            answer.text(),
        ));
    }
    let reason = shown.map_or_else(String::new, |shown| shown.reason);
    if let Some(wanted) = expect.reason.as_ref().filter(|wanted| **wanted != reason) {
        misses.push(Miss::new(
            format!("reason: {wanted}"),
            format!("reason {reason}: {}", answer.text()),
        ));
    }
    for part in expect
        .message_contains
        .0
        .iter()
        .filter(|part| !answer.text().contains(part.as_str()))
    {
        misses.push(Miss::new(format!("message_contains: {part}"), answer.text()));
    }
    if let Some(status) = expect.status.filter(|status| *status != answer.status) {
        misses.push(Miss::new(
            format!("status: {status}"),
            format!("HTTP {}", answer.status),
        ));
    }
    if !refused {
        names(expect, answer, &mut misses);
    }
    all_of(misses)
}

fn names(expect: &Reading, answer: &Answer, misses: &mut Vec<Miss>) {
    // The built-in tools are on every list and say nothing about the task.
    let mut names = Client::items(answer);
    names.retain(|name| !name.starts_with("remit__"));
    names.sort_unstable();
    if let Some(wanted) = &expect.names {
        let mut wanted = wanted.clone();
        wanted.sort_unstable();
        if wanted != names {
            misses.push(Miss::new(
                format!("names: {wanted:?}"),
                format!("listed: {names:?}"),
            ));
        }
    }
    for name in expect.includes.iter().filter(|name| !names.contains(name)) {
        misses.push(Miss::new(
            format!("includes: {name}"),
            format!("listed: {names:?}"),
        ));
    }
    for name in expect.excludes.iter().filter(|name| names.contains(name)) {
        misses.push(Miss::new(
            format!("excludes: {name}"),
            format!("listed: {names:?}"),
        ));
    }
}
