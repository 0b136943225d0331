//! Names a file gives as it goes along, and steps that refer to them.

use std::collections::BTreeSet;

use super::{answered, answers, cedar, definition, either_end, one_of, reason};
use crate::file::{Answered, Do, Expect, From, Scenario, Step, TaskSpec};
use crate::text::{Problem, unknown_key};

/// What has been named so far.
pub(super) struct Known<'s> {
    scenario: &'s Scenario,
    tasks: Vec<String>,
    calls: Vec<String>,
    waiting: BTreeSet<String>,
}

impl<'s> Known<'s> {
    pub const fn new(scenario: &'s Scenario) -> Self {
        Self {
            scenario,
            tasks: Vec::new(),
            calls: Vec::new(),
            waiting: BTreeSet::new(),
        }
    }

    /// Every call that was begun is looked at in the end.
    pub fn all_joined(&self) -> Result<(), Problem> {
        match self.waiting.first() {
            Some(name) => {
                let sentence = format!("the call `{name}` is begun and never joined; add `join: {name}`");
                Err(Problem::at(0, sentence))
            }
            None => Ok(()),
        }
    }

    pub fn task(&mut self, line: usize, name: &str, task: &TaskSpec) -> Result<(), Problem> {
        let place = |problem: Problem| problem.or_at(line, 0);
        self.by(Some(&task.by)).map_err(place)?;
        one_of("agent", &task.agent, &self.scenario.agents).map_err(place)?;
        if let Some(parent) = &task.parent {
            self.opened(parent).map_err(place)?;
        }
        if self.tasks.iter().any(|known| known == name) {
            return Err(Problem::at(
                line,
                format!("a task `{name}` is open already; give this one another name"),
            ));
        }
        self.tasks.push(name.to_owned());
        Ok(())
    }

    pub fn step(&mut self, step: &Step) -> Result<(), Problem> {
        match &step.act {
            Do::Call(call, from, expect) => {
                self.tool(&call.call)?;
                if call.with.is_some() && call.raw.is_some() {
                    return Err(Problem::at(0, "give the arguments either in `with` or in `raw`"));
                }
                self.asked(from, expect, call.name.as_deref())?;
                // What is delegated is a task of that name.
                if call.call == "remit/delegate" && expect.expect == Expect::Allow {
                    self.tasks.extend(call.name.clone());
                }
                Ok(())
            }
            Do::Begin(begin, from) => {
                self.tool(&begin.begin)?;
                self.from(from)?;
                self.call(&begin.name)?;
                self.waiting.insert(begin.name.clone());
                Ok(())
            }
            Do::Read(read, from, expect) => {
                self.server(&read.server)?;
                self.asked(from, expect, read.name.as_deref())
            }
            Do::Prompt(prompt, from, expect) => {
                self.server(&prompt.server)?;
                self.asked(from, expect, prompt.name.as_deref())
            }
            Do::List(list, from, expect) => {
                list.server
                    .as_deref()
                    .map_or(Ok(()), |server| self.server(server))?;
                reason(expect.expect, expect.reason.as_deref())?;
                self.from(from)
            }
            Do::Resume(resume, from, expect) => {
                self.named(&resume.resume)?;
                answered(expect)?;
                from.run.as_deref().map_or(Ok(()), |run| self.opened(run))
            }
            Do::Join(join, expect) => {
                answered(expect)?;
                if self.waiting.remove(&join.join) {
                    return Ok(());
                }
                Err(Problem::at(
                    0,
                    format!("no call `{}` is under way here; `begin` it above", join.join),
                ))
            }
            Do::Http(http, from, expect) => {
                let (method, url) = http.http.split_once(' ').unwrap_or_default();
                let plain = url.starts_with("https://") || url.starts_with("http://");
                if !plain || method.is_empty() || !method.bytes().all(|b| b.is_ascii_uppercase()) {
                    let sentence = format!(
                        "`http: {}` is not of the form `POST https://host/path`",
                        http.http
                    );
                    return Err(Problem::at(0, sentence));
                }
                self.asked(from, expect, http.name.as_deref())
            }
            // A task that is refused is not there for later steps.
            Do::TaskOpen(open, task, expect) if expect.expect == Expect::Deny => {
                self.task(0, &open.task_open, task).map(|()| {
                    self.tasks.pop();
                })
            }
            Do::TaskOpen(open, task, _) => self.task(0, &open.task_open, task),
            _ => self.act(step),
        }
    }

    fn act(&self, step: &Step) -> Result<(), Problem> {
        match &step.act {
            Do::Approve(step, _) => {
                let bounds = [step.times.is_some(), step.lasts.is_some(), step.for_task];
                if bounds.into_iter().filter(|given| *given).count() > 1 {
                    return Err(Problem::at(
                        0,
                        "give at most one of `times`, `for` and `for_task`",
                    ));
                }
                self.named(&step.approve)?;
                self.by(Some(&step.by))
            }
            Do::Deny(step, _) => {
                self.named(&step.deny)?;
                self.by(Some(&step.by))
            }
            Do::Card(step) => self.named(&step.card),
            Do::GrantRevoke(step, _) => {
                self.named(&step.grant_revoke)?;
                self.by(step.by.as_ref())
            }
            Do::Freeze(step, _) => {
                either_end(step.until.is_some(), step.lasts.is_some())?;
                self.by(step.by.as_ref())
            }
            Do::Lift(step, _) => self.by(step.by.as_ref()),
            Do::Kill(step, _) => {
                self.by(step.by.as_ref())?;
                match step.kill.split_once(':') {
                    Some(("run", task)) => self.opened(task),
                    Some(("agent", agent)) => one_of("agent", agent, &self.scenario.agents),
                    Some(("human", human)) => one_of("human", human, &self.scenario.humans),
                    Some(("tool", tool)) => self.tool(tool),
                    Some(("host", _)) => Ok(()),
                    _ if step.kill == "all" => Ok(()),
                    _ => self.opened(&step.kill),
                }
            }
            Do::TaskAmend(step, _) => self
                .opened(&step.task_amend)
                .and_then(|()| self.by(step.by.as_ref())),
            Do::TaskRenew(step, _) => self
                .opened(&step.task_renew)
                .and_then(|()| self.by(step.by.as_ref())),
            Do::TaskDone(step, _) => self
                .opened(&step.task_done)
                .and_then(|()| self.by(step.by.as_ref())),
            Do::TaskSuspend(step, _) => self
                .opened(&step.task_suspend)
                .and_then(|()| self.by(step.by.as_ref())),
            Do::TaskResume(step, _) => self
                .opened(&step.task_resume)
                .and_then(|()| self.by(step.by.as_ref())),
            Do::TaskShow(step) => {
                let states = [
                    "open",
                    "suspended",
                    "completed",
                    "cancelled",
                    "expired",
                    "revoked",
                ];
                if states.contains(&step.state.as_str()) {
                    return self.opened(&step.task_show);
                }
                Err(Problem::at(
                    0,
                    unknown_key(&step.state, states.into_iter()).replacen("key", "state", 1),
                ))
            }
            Do::ServerRefresh(step, _) => self.server(&step.server_refresh),
            Do::PolicyApply(step, _) => step
                .policy_apply
                .0
                .iter()
                .try_for_each(|file| cedar(file.line, &file.name)),
            Do::Change(step) => {
                self.server(&step.change)?;
                step.tools.iter().flatten().try_for_each(definition)?;
                step.answers.as_ref().map_or(Ok(()), answers)
            }
            Do::Upstream(step) => {
                let kinds = [&step.tool, &step.resource, &step.prompt_name];
                if kinds.into_iter().flatten().count() > 1 {
                    return Err(Problem::at(
                        0,
                        "give at most one of `tool`, `resource` and `prompt_name`",
                    ));
                }
                self.server(&step.upstream)
            }
            Do::File(step) => {
                let plain = std::path::Path::new(&step.file)
                    .components()
                    .all(|part| matches!(part, std::path::Component::Normal(_)));
                if plain {
                    Ok(())
                } else {
                    Err(Problem::at(
                        0,
                        format!(
                            "`{}` is outside the scenario's folder; give a plain name",
                            step.file
                        ),
                    ))
                }
            }
            Do::Records(step) => step.task.as_deref().map_or(Ok(()), |task| self.opened(task)),
            _ => Ok(()),
        }
    }

    fn asked(&mut self, from: &From, expect: &Answered, name: Option<&str>) -> Result<(), Problem> {
        answered(expect)?;
        self.from(from)?;
        name.map_or(Ok(()), |name| self.call(name))
    }

    /// A name for a call.
    fn call(&mut self, name: &str) -> Result<(), Problem> {
        if self.calls.iter().any(|known| known == name) {
            return Err(Problem::at(
                0,
                format!("a call is named `{name}` already; choose another name"),
            ));
        }
        self.calls.push(name.to_owned());
        Ok(())
    }

    fn tool(&self, tool: &str) -> Result<(), Problem> {
        match tool.split_once('/') {
            Some(("remit", _)) => Ok(()),
            Some((server, _)) => self.server(server),
            None => Err(Problem::at(
                0,
                format!("`{tool}` is not a tool; write `server/tool`"),
            )),
        }
    }

    fn from(&self, from: &From) -> Result<(), Problem> {
        match &from.run {
            Some(run) => self.opened(run)?,
            None if self.tasks.len() == 1 => {}
            None if self.tasks.is_empty() && from.token.is_some() => {}
            None => {
                return Err(Problem::at(
                    0,
                    format!("say which run it is; add `run: <task>`, one of {:?}", self.tasks),
                ));
            }
        }
        match from.token.as_deref() {
            None | Some("none" | "unknown") => Ok(()),
            Some(task) => self.opened(task),
        }
    }

    fn opened(&self, task: &str) -> Result<(), Problem> {
        if self.tasks.iter().any(|known| known == task) {
            return Ok(());
        }
        let sentence = unknown_key(task, self.tasks.iter().map(String::as_str));
        Err(Problem::at(0, sentence.replacen("key", "task", 1)))
    }

    fn named(&self, call: &str) -> Result<(), Problem> {
        if self.calls.iter().any(|known| known == call) {
            return Ok(());
        }
        let sentence = unknown_key(call, self.calls.iter().map(String::as_str));
        Err(Problem::at(
            0,
            sentence.replacen("key", "call (the `as` of an earlier step)", 1),
        ))
    }

    fn server(&self, server: &str) -> Result<(), Problem> {
        one_of("server", server, &self.scenario.servers)
    }

    fn by(&self, human: Option<&String>) -> Result<(), Problem> {
        human.map_or(Ok(()), |human| one_of("human", human, &self.scenario.humans))
    }
}
