//! Building the stage: everything a scenario declares, put in place through the same use cases people use.

use std::collections::BTreeMap;
use std::sync::Arc;

use remit_core::authority::{Authority, Scope};
use remit_core::limits::{NEWCOMER_MS, TASK_TTL_MS_DEFAULT};
use remit_core::name::Name;
use remit_core::task::{Intent, Mode};
use remit_core::time::Timestamp;
use remit_core::tool::ToolRef;
use remit_server::app::Failure;
use remit_server::config::Hold;
use remit_server::people::{NewAgent, NewHuman};
use remit_server::policies::apply;
use remit_server::registry::admit::{self, Said};
use remit_server::registry::servers::{self, NewServer};
use remit_server::tasks::open::{More, NewTask, open};
use remit_server::tasks::process::attest;
use remit_store::servers::Transport;
use serde_json::json;

use super::Miss;
use super::acts::{Output, parse, parse_all};
use super::folder::Folder;
use super::stage::{OpenTask, Stage};
use crate::clock::ScenarioClock;
use crate::engine_handle::{OWNER, Place};
use crate::file::{Admit, Confinement, Human, Limits, Mode as FileMode, Scenario, Server, TaskSpec};
use crate::stub::Stub;
use crate::web::Web;

/// What the clock shows at the start, unless the file says so: Monday, 2026-01-05T09:00:00Z.
const START: Timestamp = Timestamp(1_767_603_600_000);

/// What could not be put in place: the line it stands in, and why.
pub(super) struct Unready {
    pub line: usize,
    pub what: String,
    pub miss: Miss,
}

fn unready(line: usize, what: impl Into<String>) -> impl FnOnce(Failure) -> Unready {
    let what = what.into();
    move |failure| Unready {
        line,
        what,
        miss: failure.into(),
    }
}

/// The HTTP hosts, where there are any.
async fn web(scenario: &Scenario) -> Result<Option<Arc<Web>>, Failure> {
    if scenario.hosts.0.is_empty() {
        return Ok(None);
    }
    let hosts: Vec<_> = scenario
        .hosts
        .0
        .iter()
        .map(|host| (host.name.clone(), &host.value))
        .collect();
    let secrets = scenario
        .secrets
        .0
        .iter()
        .map(|secret| (secret.name.clone(), secret.value.value.clone()));
    let web = Web::start(&hosts, secrets.collect())
        .await
        .map_err(Failure::unavailable)?;
    Ok(Some(Arc::new(web)))
}

impl<'s> Stage<'s> {
    /// Puts everything in place.
    pub async fn build(scenario: &'s Scenario) -> Result<Self, Unready> {
        let folder = Folder::fresh()
            .map_err(Failure::Unavailable)
            .map_err(unready(1, "folder"))?;
        let clock = ScenarioClock::starting_at(
            scenario
                .start
                .map_or(START, |start| start.0)
                .plus_ms(-NEWCOMER_MS),
        );
        let hold = Hold {
            wait: milliseconds(scenario.hold.wait.map_or(0, |wait| wait.0)),
            window: scenario
                .hold
                .window
                .map_or_else(|| Hold::default().window, |window| milliseconds(window.0)),
        };
        let mut place = Place::below(folder.path(), clock.clone(), hold);
        let web = web(scenario).await.map_err(unready(1, "hosts"))?;
        place.web = web.clone();
        let engine = place
            .start()
            .await
            .map_err(Failure::Unavailable)
            .map_err(unready(1, "engine"))?;
        let mut stage = Self {
            scenario,
            clock,
            place,
            engine: Some(engine),
            stubs: BTreeMap::new(),
            web,
            clients: BTreeMap::new(),
            tasks: BTreeMap::new(),
            calls: BTreeMap::new(),
            folder,
        };
        stage.people().await?;
        // The people of the file are no newcomers: they have been here for a day.
        stage.clock.advance(NEWCOMER_MS.unsigned_abs());
        for server in &scenario.servers.0 {
            let added = stage.server(&server.name, &server.value).await;
            added.map_err(unready(server.line, format!("server {}", server.name)))?;
        }
        stage.systems().await.map_err(unready(0, "hosts"))?;
        stage.rules().await?;
        for freeze in &scenario.freezes {
            stage
                .freeze(freeze)
                .await
                .map_err(unready(0, format!("freeze {}", freeze.resource)))?;
        }
        for task in &scenario.tasks.0 {
            let opened = stage.open(&task.name, &task.value).await;
            opened.map_err(unready(task.line, format!("task {}", task.name)))?;
        }
        Ok(stage)
    }

    async fn people(&self) -> Result<(), Unready> {
        for human in &self.scenario.humans.0 {
            let added = self.human(&human.name, &human.value).await;
            added.map_err(unready(human.line, format!("human {}", human.name)))?;
        }
        for agent in &self.scenario.agents.0 {
            let new = || -> Result<NewAgent, Failure> {
                Ok(NewAgent {
                    name: parse(&agent.name)?,
                    owner: parse(&agent.value.owner)?,
                    backup_owner: agent.value.backup_owner.as_deref().map(parse).transpose()?,
                    purpose: agent.value.purpose.clone().unwrap_or_default(),
                    ceiling: agent.value.ceiling.as_ref().map(limits).transpose()?,
                })
            };
            let added = async {
                let (new, by) = (new()?, owner()?);
                self.engine()?
                    .run(|app| async move { remit_server::people::add_agent(&app, new, &by).await })
                    .await
            };
            added
                .await
                .map_err(unready(agent.line, format!("agent {}", agent.name)))?;
        }
        Ok(())
    }

    async fn human(&self, name: &str, human: &Human) -> Result<(), Failure> {
        let mut new = NewHuman::new(parse(name)?, parse_all(&human.roles)?);
        new.kind = human.kind.as_core();
        new.authority = human.rights.as_ref().map(limits).transpose()?;
        let by = owner()?;
        self.engine()?
            .run(|app| async move { remit_server::people::add_human(&app, new, &by).await })
            .await?;
        Ok(())
    }

    async fn server(&mut self, name: &str, server: &Server) -> Result<(), Failure> {
        let secrets = self
            .scenario
            .secrets
            .0
            .iter()
            .map(|secret| (secret.name.clone(), secret.value.value.clone()));
        let stub = Stub::start(name, server, &self.folder.files(), secrets.collect())
            .await
            .map_err(Failure::unavailable)?;
        let new = NewServer {
            name: parse(name)?,
            transport: Transport::Url(stub.url()),
            allow_private: true,
            shareable: server.shareable,
            uncontained: false,
            environment: Vec::new(),
            cwd: None,
            accept_floating: false,
        };
        self.stubs.insert(name.to_owned(), stub);
        let by = owner()?;
        let engine = self.engine()?;
        engine
            .run(|app| async move { servers::add(&app, new, &by).await })
            .await?;
        if server.admit == Admit::All {
            let (by, name): (Name, Name) = (owner()?, parse(name)?);
            let admitted = engine.run(|app| async move {
                let waiting = admit::waiting(&app, &name);
                admit::admit(&app, &waiting, None, &by).await
            });
            admitted.await?;
        }
        for class in &server.classes.0 {
            let tool: ToolRef = parse(&format!("{name}/{}", class.name))?;
            let said = Said {
                class: Some(parse(class.value.as_str())?),
                irreversible: server.irreversible.contains(&class.name).then_some(true),
            };
            let by = owner()?;
            engine
                .run(|app| async move { admit::admit(&app, &[tool], Some(said), &by).await })
                .await?;
        }
        Ok(())
    }

    /// Policies and templates: loaded once humans and servers are known, as they name both.
    async fn rules(&self) -> Result<(), Unready> {
        let config = &self.place.paths.config;
        let mut line = 0;
        for (entries, folder, ending) in [
            (&self.scenario.policies, "policies", ""),
            (&self.scenario.templates, "templates", ".toml"),
        ] {
            for entry in &entries.0 {
                line = entry.line;
                let path = config.join(folder).join(format!("{}{ending}", entry.name));
                std::fs::write(&path, &entry.value)
                    .map_err(Failure::unavailable)
                    .map_err(unready(line, &entry.name))?;
            }
        }
        if line == 0 {
            return Ok(());
        }
        let loaded = async {
            self.engine()?
                .run(|app| async move {
                    let by = app.me.clone();
                    apply::apply(&app, &by).await?.in_force().map(drop)
                })
                .await
        };
        loaded.await.map_err(unready(line, "policies and templates"))
    }

    /// Opens a task under a name.
    pub async fn open(&mut self, name: &str, spec: &TaskSpec) -> Output {
        let by: Name = parse(&spec.by)?;
        let new = self.new_task(spec)?;
        let confinement = spec.confinement.unwrap_or(Confinement::OwnUid).as_core();
        let engine = self.engine()?;
        let opened = engine.run(move |app| async move {
            let opened = open(&app, new, &by).await?;
            if confinement != remit_core::confinement::Confinement::None {
                // The runner is the run's process: its calls come from here.
                let process = remit_server::tasks::process::own()?;
                attest(&app, opened.task.run, process, confinement).await?;
            }
            Ok(opened)
        });
        let opened = opened.await?;
        let task = OpenTask {
            id: opened.task.id,
            run: opened.task.run,
            agent: spec.agent.clone(),
            token: opened.token,
        };
        self.tasks.insert(name.to_owned(), task);
        Ok(json!({ "cut": opened.task.cut, "expires_at": opened.task.expires_at.to_string() }))
    }

    fn new_task(&self, spec: &TaskSpec) -> Result<NewTask, Failure> {
        Ok(NewTask {
            agent: parse(&spec.agent)?,
            intent: Intent {
                goal: spec.intent.clone(),
                purpose: spec.purpose.clone().unwrap_or_default(),
            },
            template: spec.template.as_deref().map(parse).transpose()?,
            set: spec
                .set
                .0
                .iter()
                .map(|entry| (entry.name.clone(), entry.value.clone()))
                .collect(),
            allow: parse_all(&spec.allow)?,
            resources: parse_all(&spec.resources)?,
            destinations: parse_all(&spec.destinations)?,
            limit: None,
            ttl_ms: spec
                .ttl
                .map(crate::file::Span::ms)
                .or_else(|| spec.template.is_none().then_some(TASK_TTL_MS_DEFAULT)),
            mode: spec.mode.and_then(|mode: FileMode| Mode::parse(mode.as_str())),
            parent: spec
                .parent
                .as_deref()
                .map(|parent| self.task(parent).map(|task| task.id))
                .transpose()?,
            process: None,
            more: More {
                depth: spec.depth,
                fan_out: spec.fan_out,
                heartbeat_ms: spec.heartbeat.map(crate::file::Span::ms),
                idle_ms: spec.idle.map(crate::file::Span::ms),
                max_life_ms: spec.max_life.map(crate::file::Span::ms),
            },
        })
    }
}

/// Limits as an authority.
fn limits(said: &Limits) -> Result<Authority, Failure> {
    let mut limit = Authority::unbounded();
    if !said.allow.is_empty() {
        limit.tools = parse_all(&said.allow)?;
    }
    if !said.resources.is_empty() {
        limit.resources = Scope::Only(parse_all(&said.resources)?);
    }
    Ok(limit)
}

fn owner() -> Result<Name, Failure> {
    parse(OWNER)
}

fn milliseconds(ms: u64) -> String {
    format!("{ms}ms")
}
