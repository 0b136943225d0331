//! Steps in which people act: what the command line does, done through the same use cases.

use remit_core::authority::{Authority, Scope, ToolSelector};
use remit_core::id::GrantId;
use remit_core::name::Name;
use remit_core::people::Standing;
use remit_core::resource::Resource;
use remit_core::task::Ending;
use remit_core::time::Clock as _;
use remit_core::tool::ToolRef;
use remit_server::app::Failure;
use remit_server::approvals::vote::{self, Reach};
use remit_server::policies::apply;
use remit_server::registry::servers::{Added, AddedTool};
use remit_server::registry::{admit, servers};
use remit_server::tasks::end::{Gone, done};
use remit_server::tasks::kill::{Target, kill, lift};
use remit_server::{freezes, people, tasks};
use serde_json::{Value, json};

use super::stage::Stage;
use crate::engine_handle::OWNER;
use crate::file;

/// What an act gives back, as JSON.
pub(super) type Output = Result<Value, Failure>;

/// Reads a name, a resource, a selector: whatever has a written form.
pub(super) fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Failure>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| Failure::Invalid(format!("{error}")))
}

/// Reads a list of them.
pub(super) fn parse_all<T: std::str::FromStr, C: FromIterator<T>>(texts: &[String]) -> Result<C, Failure>
where
    T::Err: std::fmt::Display,
{
    texts.iter().map(|text| parse(text)).collect()
}

fn acting(by: Option<&String>) -> Result<Name, Failure> {
    parse(by.map_or(OWNER, String::as_str))
}

impl Stage<'_> {
    pub async fn approve(&self, step: &file::Approve) -> Output {
        let id = self.approval(&step.approve)?;
        let call = self.named(&step.approve)?;
        let by = parse(&step.by)?;
        let reach = match (step.times, step.lasts, step.for_task) {
            (Some(times), _, _) => Reach::Times(times),
            (None, Some(lasts), _) => Reach::For(lasts.ms()),
            (None, None, true) => Reach::Task,
            (None, None, false) => Reach::Once,
        };
        let note = step.note.clone().unwrap_or_default();
        let reached = self.reached(&call.target);
        let stored = self
            .engine()?
            .run(|app| async move { vote::approve(&app, id, reach, note, &by).await })
            .await?;
        self.settled(id, &call.target, reached).await?;
        Ok(json!({ "state": stored.approval.state.as_str(), "votes": stored.approval.votes.len() }))
    }

    pub async fn deny(&self, step: &file::Deny) -> Output {
        let id = self.approval(&step.deny)?;
        let (by, note) = (parse(&step.by)?, step.note.clone());
        let stored = self
            .engine()?
            .run(|app| async move { vote::deny(&app, id, note, &by).await })
            .await?;
        Ok(json!({ "state": stored.approval.state.as_str() }))
    }

    pub async fn revoke_grant(&self, step: &file::GrantRevoke) -> Output {
        let approval = self.approval(&step.grant_revoke)?;
        let task = self.task(&self.named(&step.grant_revoke)?.task)?.id;
        let by = acting(step.by.as_ref())?;
        let revoked = self.engine()?.run(move |app| async move {
            let grants = app
                .store
                .read(move |conn| Ok::<_, Failure>(remit_store::grants::of_task(conn, task)?))
                .await?;
            let mine: Vec<GrantId> = grants
                .iter()
                .filter(|g| g.approval == approval)
                .map(|g| g.id)
                .collect();
            if mine.is_empty() {
                return Err(Failure::NotFound("this approval gave no grant".to_owned()));
            }
            for grant in &mine {
                vote::revoke(&app, *grant, &by).await?;
            }
            Ok(mine.len())
        });
        Ok(json!({ "revoked": revoked.await? }))
    }

    pub async fn freeze(&self, freeze: &file::Freeze) -> Output {
        let resource: Resource = parse(&freeze.resource)?;
        let until = match (freeze.until, freeze.lasts) {
            (Some(until), _) => until.0,
            (None, lasts) => self.clock.now().plus_ms(lasts.map_or(0, file::Span::ms)),
        };
        let (why, by) = (
            freeze.because.clone().unwrap_or_default(),
            acting(freeze.by.as_ref())?,
        );
        self.engine()?
            .run(|app| async move { freezes::place(&app, resource, until, why, &by).await })
            .await?;
        Ok(json!({ "until": until.to_string() }))
    }

    pub async fn lift(&self, step: &file::Lift) -> Output {
        let (resource, by) = (parse(&step.lift)?, acting(step.by.as_ref())?);
        self.engine()?
            .run(|app| async move { freezes::lift(&app, resource, &by).await })
            .await?;
        Ok(json!({}))
    }

    pub async fn kill(&self, step: &file::Kill) -> Output {
        let target = match step.kill.split_once(':') {
            Some(("run", task)) => Target::Run(self.task(task)?.run),
            Some(("agent", agent)) => Target::Agent(parse(agent)?),
            Some(("human" | "tool" | "host", _)) => Target::parse(&step.kill).map_err(Failure::Invalid)?,
            _ if step.kill == "all" => Target::All,
            _ => Target::Task(self.task(&step.kill)?.id),
        };
        let (by, why) = (
            acting(step.by.as_ref())?,
            step.because.clone().unwrap_or_default(),
        );
        if step.lift {
            self.engine()?
                .run(|app| async move { lift(&app, target, &by).await })
                .await?;
            return Ok(json!({}));
        }
        let gone = self
            .engine()?
            .run(|app| async move { kill(&app, target, &by, &why).await })
            .await?;
        Ok(self.gone(&gone))
    }

    pub async fn done(&self, step: &file::TaskDone) -> Output {
        let task = self.task(&step.task_done)?.id;
        let ending = match step.outcome {
            Some(file::Outcome::Cancelled) => Ending::Cancelled,
            Some(file::Outcome::Completed) | None => Ending::Completed,
        };
        let by = acting(step.by.as_ref())?;
        let gone = self
            .engine()?
            .run(move |app| async move { done(&app, task, ending, &by).await })
            .await?;
        Ok(self.gone(&gone))
    }

    /// What ended, in the scenario's names.
    fn gone(&self, gone: &Gone) -> Value {
        let ended = self
            .tasks
            .iter()
            .filter(|(_, open)| gone.tasks.contains(&open.id));
        let ended: Vec<&String> = ended.map(|(name, _)| name).collect();
        json!({ "ended": ended, "in_flight": gone.in_flight.len() })
    }

    pub async fn amend(&self, step: &file::TaskAmend) -> Output {
        let task = self.task(&step.task_amend)?.id;
        let mut limit = Authority::unbounded();
        if let Some(allow) = &step.allow {
            limit.tools = parse_all::<ToolSelector, _>(allow)?;
        }
        if let Some(resources) = &step.resources {
            limit.resources = Scope::Only(parse_all(resources)?);
        }
        if let Some(destinations) = &step.destinations {
            limit.destinations = Scope::Only(parse_all(destinations)?);
        }
        let until = step.ttl.map(|ttl| self.clock.now().plus_ms(ttl.ms()));
        let by = acting(step.by.as_ref())?;
        let change = tasks::Change {
            keep: limit,
            tools: parse_all(&step.add_tools)?,
            resources: parse_all(&step.add_resources)?,
            destinations: parse_all(&step.add_destinations)?,
            goal: step.intent.clone(),
            expires_at: until,
            ..tasks::Change::default()
        };
        let amended = self
            .engine()?
            .run(move |app| async move { tasks::amend(&app, task, change, &by).await })
            .await?;
        Ok(json!({ "version": amended.version, "cut": amended.cut }))
    }

    pub async fn renew(&self, step: &file::TaskRenew) -> Output {
        let (task, ttl) = (self.task(&step.task_renew)?.id, step.ttl.ms());
        let by = acting(step.by.as_ref())?;
        let renewed = self
            .engine()?
            .run(move |app| async move { tasks::renew(&app, task, ttl, &by).await })
            .await?;
        Ok(json!({ "expires_at": renewed.expires_at.to_string(), "narrowed": renewed.narrowed }))
    }

    pub async fn suspend_task(&self, step: &file::TaskSuspend) -> Output {
        let (task, by) = (self.task(&step.task_suspend)?.id, acting(step.by.as_ref())?);
        let why = step.because.clone().unwrap_or_default();
        self.engine()?
            .run(move |app| async move { tasks::suspend(&app, task, &by, &why).await })
            .await?;
        Ok(json!({}))
    }

    pub async fn resume_task(&self, step: &file::TaskResume) -> Output {
        let (task, by) = (self.task(&step.task_resume)?.id, acting(step.by.as_ref())?);
        let narrowed = self
            .engine()?
            .run(move |app| async move { tasks::resume(&app, task, &by).await })
            .await?;
        Ok(json!({ "narrowed": narrowed }))
    }

    pub async fn stand_agent(&self, agent: &str, standing: Standing, by: Option<&String>) -> Output {
        let (agent, by): (Name, Name) = (parse(agent)?, acting(by)?);
        self.engine()?
            .run(move |app| async move { people::set_agent(&app, &agent, standing, &by).await })
            .await?;
        Ok(json!({}))
    }

    pub async fn stand_human(&self, human: &str, standing: Standing, by: Option<&String>) -> Output {
        let (human, by): (Name, Name) = (parse(human)?, acting(by)?);
        self.engine()?
            .run(move |app| async move { people::set_human(&app, &human, standing, &by).await })
            .await?;
        Ok(json!({}))
    }

    pub async fn admit(&self, step: &file::ToolsAdmit) -> Output {
        let tools: Vec<ToolRef> = parse_all(&step.tools_admit)?;
        let said = admit::Said {
            class: step.class.map(|class| parse(class.as_str())).transpose()?,
            irreversible: step.irreversible.then_some(true),
        };
        let by = acting(step.by.as_ref())?;
        let admitted = self
            .engine()?
            .run(move |app| async move { admit::admit(&app, &tools, Some(said), &by).await })
            .await?;
        Ok(json!({ "admitted": admitted.iter().map(ToString::to_string).collect::<Vec<_>>() }))
    }

    pub async fn retire(&self, step: &file::ToolsRetire) -> Output {
        let tools: Vec<ToolRef> = parse_all(&step.tools_retire)?;
        let by = acting(step.by.as_ref())?;
        self.engine()?
            .run(move |app| async move { admit::retire(&app, &tools, &by).await })
            .await?;
        Ok(json!({}))
    }

    pub async fn refresh(&self, step: &file::ServerRefresh) -> Output {
        let server: Name = parse(&step.server_refresh)?;
        let seen = self
            .engine()?
            .run(move |app| async move { servers::refresh(&app, &server).await })
            .await?;
        Ok(shown(&seen))
    }

    /// Puts policy files in place; when they are refused the old ones come back.
    pub async fn apply(&self, step: &file::PolicyApply) -> Output {
        let folder = self.place.paths.config.join("policies");
        let mut before = Vec::new();
        for file in &step.policy_apply.0 {
            let path = folder.join(&file.name);
            before.push((path.clone(), std::fs::read_to_string(&path).unwrap_or_default()));
            put(&path, &file.value)?;
        }
        let loaded = self.engine()?.run(|app| async move {
            let by = app.me.clone();
            let world = apply::apply(&app, &by).await?.in_force()?;
            Ok(world.policy.version().to_string())
        });
        match loaded.await {
            Ok(version) => Ok(json!({ "policy_version": version })),
            Err(failure) => {
                before.iter().try_for_each(|(path, text)| put(path, text))?;
                Err(failure)
            }
        }
    }
}

/// Writes a policy file; an empty text removes it.
fn put(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    let done = if text.is_empty() {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    } else {
        std::fs::write(path, text)
    };
    done.map_err(Failure::unavailable)
}

/// What a look at a server showed.
pub(super) fn shown(seen: &Added) -> Value {
    let tool = |tool: &AddedTool| {
        let findings: Vec<Value> = tool
            .findings
            .iter()
            .map(|finding| json!({ "code": finding.code, "sentence": finding.sentence }))
            .collect();
        json!({ "tool": tool.tool, "class": tool.class, "because": tool.because, "findings": findings })
    };
    let list = |tools: &[AddedTool]| tools.iter().map(tool).collect::<Vec<_>>();
    json!({ "admitted": list(&seen.admitted), "quarantined": list(&seen.quarantined) })
}
