//! Running one scenario: the stage is built, the steps are done in order, what must always hold is checked.

mod acts;
mod after;
mod asks;
mod folder;
mod judge;
mod looks;
mod setup;
mod stage;
mod web;

use remit_core::people::Standing;
use remit_server::app::Failure;
use serde_json::Value;

use crate::file::{ACCEPTED, Acted, Do, Expect, Freeze, Scenario, Step};
use acts::Output;
use stage::Stage;

/// One expectation that was not met.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Miss {
    pub expected: String,
    pub happened: String,
    /// The decision, when there was one.
    pub decision: Option<String>,
}

/// Everything one step missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed(pub Vec<Miss>);

/// What was missed, if anything.
type Misses = Result<(), Missed>;

/// Nothing missed, or all of these.
fn all_of(misses: Vec<Miss>) -> Misses {
    if misses.is_empty() {
        Ok(())
    } else {
        Err(Missed(misses))
    }
}

impl Miss {
    fn new(expected: impl Into<String>, happened: impl Into<String>) -> Self {
        Self {
            expected: expected.into(),
            happened: happened.into(),
            decision: None,
        }
    }

    fn one(expected: impl Into<String>, happened: impl Into<String>) -> Missed {
        Missed(vec![Self::new(expected, happened)])
    }

    fn prefixed(mut self, prefix: &str) -> Self {
        self.happened.insert_str(0, prefix);
        self
    }
}

impl From<Failure> for Miss {
    fn from(failure: Failure) -> Self {
        Self::new("it can be done", format!("{}: {failure}", failure.code()))
    }
}

impl From<Failure> for Missed {
    fn from(failure: Failure) -> Self {
        Self(vec![failure.into()])
    }
}

/// A step of the file and what was missed in it.
#[derive(Debug)]
pub(crate) struct Failed {
    /// Its line.
    pub line: usize,
    /// What it was.
    pub step: String,
    /// What was missed.
    pub misses: Vec<Miss>,
}

/// What became of a scenario.
#[derive(Debug, Default)]
pub(crate) struct Ran {
    /// Steps done.
    pub steps: usize,
    /// The first step that failed, and what does not hold afterwards.
    pub failed: Vec<Failed>,
}

/// Runs a scenario. It ends at its first failed step: what follows would only fail because of it.
pub(crate) async fn run(scenario: &Scenario) -> Ran {
    let mut ran = Ran::default();
    let mut stage = match Stage::build(scenario).await {
        Ok(stage) => stage,
        Err(unready) => {
            ran.failed.push(Failed {
                line: unready.line,
                step: unready.what,
                misses: vec![unready.miss],
            });
            return ran;
        }
    };
    for step in &scenario.steps {
        ran.steps += 1;
        if let Err(Missed(misses)) = Box::pin(stage.step(step)).await {
            ran.failed.push(Failed {
                line: step.line,
                step: step.title.clone(),
                misses,
            });
            break;
        }
    }
    if let Err(Missed(misses)) = stage.after().await {
        ran.failed.push(Failed {
            line: 0,
            step: "afterwards".to_owned(),
            misses,
        });
    }
    if let Some(engine) = stage.engine.take() {
        engine.stop().await;
    }
    ran
}

impl Stage<'_> {
    async fn step(&mut self, step: &Step) -> Misses {
        match &step.act {
            Do::Call(call, from, expect) => self.call(call, from, expect).await,
            Do::Begin(begin, from) => self.begin(begin, from).await,
            Do::Read(read, from, expect) => self.read(read, from, expect).await,
            Do::Prompt(prompt, from, expect) => self.prompt(prompt, from, expect).await,
            Do::List(list, from, expect) => self.list(list, from, expect).await,
            Do::Resume(resume, from, expect) => self.resume(resume, from, expect).await,
            Do::Join(join, expect) => self.join(join, expect).await,
            Do::Http(http, from, expect) => self.http(http, from, expect).await,
            Do::Card(card) => self.card(card).await,
            Do::TaskShow(show) => self.show_task(show).await,
            Do::Upstream(upstream) => self.upstream(upstream),
            Do::File(file) => self.file(file),
            Do::Records(records) => self.look_for_records(records).await,
            Do::Verify(_) => self.verify().await,
            Do::Clock(clock) => done(self.move_clock(clock).await),
            Do::Engine(engine) => done(self.move_engine(engine.engine).await),
            Do::Change(change) => done(self.change(change).await),
            act => {
                // Boxed: what people do runs deep through the engine, and the compiler lays out each future whole.
                let (output, expect) = Box::pin(self.act(act)).await;
                acted(expect, &output)
            }
        }
    }

    async fn act<'d>(&mut self, act: &'d Do) -> (Output, &'d Acted) {
        match act {
            Do::Approve(step, expect) => (self.approve(step).await, expect),
            Do::Deny(step, expect) => (self.deny(step).await, expect),
            Do::GrantRevoke(step, expect) => (self.revoke_grant(step).await, expect),
            Do::Freeze(step, expect) => {
                let freeze = Freeze {
                    resource: step.freeze.clone(),
                    until: step.until,
                    lasts: step.lasts,
                    because: step.because.clone(),
                    by: step.by.clone(),
                };
                (self.freeze(&freeze).await, expect)
            }
            Do::Lift(step, expect) => (self.lift(step).await, expect),
            Do::Kill(step, expect) => (self.kill(step).await, expect),
            Do::TaskOpen(step, spec, expect) => (self.open(&step.task_open, spec).await, expect),
            Do::TaskAmend(step, expect) => (self.amend(step).await, expect),
            Do::TaskRenew(step, expect) => (self.renew(step).await, expect),
            Do::TaskDone(step, expect) => (self.done(step).await, expect),
            Do::TaskSuspend(step, expect) => (self.suspend_task(step).await, expect),
            Do::TaskResume(step, expect) => (self.resume_task(step).await, expect),
            Do::AgentSuspend(step, expect) => (
                self.stand_agent(&step.agent_suspend, Standing::Suspended, step.by.as_ref())
                    .await,
                expect,
            ),
            Do::AgentResume(step, expect) => (
                self.stand_agent(&step.agent_resume, Standing::Active, step.by.as_ref())
                    .await,
                expect,
            ),
            Do::AgentRetire(step, expect) => (
                self.stand_agent(&step.agent_retire, Standing::Retired, step.by.as_ref())
                    .await,
                expect,
            ),
            Do::HumanSuspend(step, expect) => (
                self.stand_human(&step.human_suspend, Standing::Suspended, step.by.as_ref())
                    .await,
                expect,
            ),
            Do::ToolsAdmit(step, expect) => (self.admit(step).await, expect),
            Do::ToolsRetire(step, expect) => (self.retire(step).await, expect),
            Do::ServerRefresh(step, expect) => (self.refresh(step).await, expect),
            Do::PolicyApply(step, expect) => (self.apply(step).await, expect),
            Do::Call(..)
            | Do::Begin(..)
            | Do::Read(..)
            | Do::Prompt(..)
            | Do::List(..)
            | Do::Resume(..)
            | Do::Join(..)
            | Do::Http(..)
            | Do::Card(_)
            | Do::TaskShow(_)
            | Do::Upstream(_)
            | Do::File(_)
            | Do::Records(_)
            | Do::Verify(_)
            | Do::Clock(_)
            | Do::Engine(_)
            | Do::Change(_) => (Err(Failure::invalid("this step is no act")), &ACCEPTED),
        }
    }
}

fn done(output: Output) -> Misses {
    output.map(drop).map_err(Into::into)
}

/// Compares what came of an act with what was expected.
fn acted(expect: &Acted, output: &Output) -> Misses {
    let mut misses = Vec::new();
    let happened = match output {
        Ok(output) => format!("accepted: {output}"),
        Err(failure) => format!("refused, {}: {failure}", failure.code()),
    };
    let fits = match (expect.expect, output) {
        (Expect::Allow, output) => output.is_ok(),
        (Expect::Deny, output) => output.is_err(),
        (Expect::Quarantine, Ok(output)) => has(output, "quarantined"),
        (Expect::Flag, Ok(output)) => output.to_string().contains("\"code\":"),
        (Expect::Revoke, Ok(output)) => has(output, "ended"),
        (Expect::Hold, _) | (_, Err(_)) => false,
    };
    if !fits {
        misses.push(Miss::new(
            format!("expect: {}", expect.expect.as_str()),
            happened.clone(),
        ));
    }
    let code = output.as_ref().err().map_or("", |failure| failure.code());
    if let Some(wanted) = expect.reason.as_ref().filter(|wanted| *wanted != code) {
        misses.push(Miss::new(format!("reason: {wanted}"), happened.clone()));
    }
    let message = output
        .as_ref()
        .err()
        .map_or_else(String::new, ToString::to_string);
    for part in expect
        .message_contains
        .0
        .iter()
        .filter(|part| !message.contains(part.as_str()))
    {
        misses.push(Miss::new(format!("message_contains: {part}"), happened.clone()));
    }
    let text = output.as_ref().map_or_else(|_| String::new(), Value::to_string);
    for part in expect
        .output_contains
        .0
        .iter()
        .filter(|part| !text.contains(part.as_str()))
    {
        misses.push(Miss::new(format!("output_contains: {part}"), happened.clone()));
    }
    for part in expect
        .output_lacks
        .0
        .iter()
        .filter(|part| text.contains(part.as_str()))
    {
        misses.push(Miss::new(format!("output_lacks: {part}"), happened.clone()));
    }
    all_of(misses)
}

fn has(output: &Value, list: &str) -> bool {
    output[list].as_array().is_some_and(|items| !items.is_empty())
}
