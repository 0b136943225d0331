//! The facts of one case.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use remit_core::authority::{Authority, Budget};
use remit_core::call::{Call, Operation};
use remit_core::confinement::{Confinement, Proof};
use remit_core::destination::Destination;
use remit_core::digest::Digest;
use remit_core::entropy::SeededEntropy;
use remit_core::id::{RunId, TaskId};
use remit_core::json::{self, Bounds, Object, Value};
use remit_core::label::{Label, Labels};
use remit_core::name::Name;
use remit_core::people::{Agent, Human, Standing};
use remit_core::resource::Resource;
use remit_core::task::{Intent, Mode, Run, Task, TaskState};
use remit_core::time::Timestamp;
use remit_core::tool::{Classification, Marks, ToolRef, ToolState};

use super::TestError;
use super::file::{Case, CaseTask, TestTool};
use crate::catalogue::ToolSchema;
use crate::facts::{Environments, Facts, Given, Origin, Overrun, Risk, ToolFacts};
use crate::principal::{Principal, PrincipalFacts};
use crate::template::Template;

/// Midnight UTC of Saturday, 21 November 2026.
const MIDNIGHT: i64 = 1_795_219_200_000;

/// A tool with its schema parsed.
#[derive(Debug)]
pub(crate) struct Known {
    name: ToolRef,
    classification: Classification,
    state: ToolState,
    schema: Value,
}

impl Known {
    pub(super) fn new(tool: &TestTool) -> Result<Self, TestError> {
        let error = |problem: String| TestError::File(format!("tool `{}`: {problem}", tool.name));
        let state = match tool.state.as_deref().unwrap_or("admitted") {
            "admitted" => ToolState::Admitted,
            "quarantined" => ToolState::Quarantined,
            "retired" => ToolState::Retired,
            other => return Err(error(format!("`{other}` is no state of a tool"))),
        };
        let schema = tool.schema.as_deref().unwrap_or("{}");
        Ok(Self {
            name: tool.name.parse().map_err(|e| error(format!("{e}")))?,
            classification: Classification {
                class: tool.class.parse().map_err(|e| error(format!("{e}")))?,
                marks: Marks {
                    irreversible: tool.irreversible,
                    mints: tool.mints,
                },
                arguments: Vec::new(),
                labels: Labels::new(),
                because: "the test file says so".to_owned(),
            },
            state,
            schema: json::parse(schema.as_bytes(), &Bounds::REQUEST).map_err(|e| error(e.to_string()))?,
        })
    }

    pub(crate) fn schema(&self) -> ToolSchema<'_> {
        ToolSchema {
            tool: self.name.clone(),
            class: self.classification.class,
            input_schema: &self.schema,
        }
    }
}

/// Everything a case says, owned, so that facts can borrow from it.
#[derive(Debug)]
pub(crate) struct World {
    call: Call,
    digest: Digest,
    principal: Principal,
    tool: Option<(Classification, ToolState)>,
    environments: Table,
    labels: Labels,
    unknown_destinations: Vec<Destination>,
    frozen: Vec<Resource>,
    exhausted: Vec<Overrun>,
    origin: Origin,
    risk: Risk,
    salient_opaque: bool,
    uncontained: bool,
    now: Timestamp,
}

#[derive(Debug)]
struct Table(BTreeMap<String, String>);

impl Environments for Table {
    fn of(&self, resource: &Resource) -> &str {
        self.0
            .get(resource.system().as_str())
            .map_or("unknown", String::as_str)
    }
}

impl World {
    /// The world of a case.
    ///
    /// # Errors
    /// [`TestError::Case`] about the first thing that cannot be read.
    pub(crate) fn new(
        case: &Case,
        task: &CaseTask,
        tools: &[Known],
        templates: &[Template],
    ) -> Result<Self, TestError> {
        let principal = principal(case, task, templates)?;
        let (call, tool) = call(case, tools)?;
        let known: BTreeSet<Destination> = all(case, &case.known_destinations)?.into_iter().collect();
        let named = &principal.task().authority.destinations;
        let unknown_destinations = call
            .destinations
            .iter()
            .filter(|d| !named.covers(d) && !known.contains(d))
            .cloned()
            .collect();
        let [novelty, class, label, volume] = case.risk.unwrap_or_default();
        let mut exhausted = Vec::new();
        let fixed = case.exhausted.iter().map(|text| (text, false));
        for (text, liftable) in fixed.chain(case.overrun.iter().map(|text| (text, true))) {
            let budget = match (text.as_str(), text.parse()) {
                ("calls", _) => Budget::Calls,
                (_, Ok(class)) => Budget::Class(class),
                _ => Budget::Tool(text.parse().map_err(|e| case.error(format!("{e}")))?),
            };
            let (max, used, asked) = (0, 0, 1);
            exhausted.push(Overrun {
                budget,
                max,
                used,
                asked,
                liftable,
            });
        }
        Ok(Self {
            digest: call.digest(),
            call,
            tool,
            environments: Table(case.environments.clone()),
            labels: case
                .labels
                .iter()
                .map(|text| Label::parse(text).ok_or_else(|| case.error(format!("`{text}` is no label"))))
                .collect::<Result<_, _>>()?,
            unknown_destinations,
            frozen: all(case, &case.frozen)?,
            exhausted,
            origin: match case.origin.as_deref().unwrap_or("initial") {
                "initial" => Origin::Initial,
                "retry" => Origin::Retry,
                "anomaly" => Origin::Anomaly,
                other => return Err(case.error(format!("`{other}` is no origin"))),
            },
            risk: Risk {
                novelty,
                class,
                label,
                volume,
            },
            salient_opaque: case.salient_opaque,
            uncontained: case.uncontained,
            now: Timestamp(MIDNIGHT + case.minute.unwrap_or(600) * 60_000),
            principal,
        })
    }

    /// The facts.
    pub(crate) fn facts<'a>(&'a self, approval: Option<Given<'a>>) -> Facts<'a> {
        Facts {
            call: &self.call,
            digest: self.digest,
            principal: &self.principal,
            tool: self.tool.as_ref().map(|(classification, state)| ToolFacts {
                classification,
                state: *state,
            }),
            environments: &self.environments,
            labels: &self.labels,
            unknown_destinations: &self.unknown_destinations,
            frozen: &self.frozen,
            exhausted: &self.exhausted,
            calls_made: 0,
            proof: Proof::Bearer,
            contained: !self.uncontained,
            origin: self.origin,
            risk: self.risk,
            salient_opaque: self.salient_opaque,
            now: self.now,
            utc_offset_minutes: 0,
            approval,
        }
    }
}

fn all<T: std::str::FromStr>(case: &Case, texts: &[String]) -> Result<Vec<T>, TestError>
where
    T::Err: std::fmt::Display,
{
    texts
        .iter()
        .map(|text| text.parse().map_err(|e: T::Err| case.error(e.to_string())))
        .collect()
}

fn one<T: std::str::FromStr>(case: &Case, text: &str) -> Result<T, TestError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|e: T::Err| case.error(e.to_string()))
}

fn principal(case: &Case, task: &CaseTask, templates: &[Template]) -> Result<Principal, TestError> {
    let (authority, mode, template) = authority(case, task, templates)?;
    let name: Name = one(case, task.agent.as_deref().unwrap_or("coder"))?;
    let initiator: Name = one(case, "dora")?;
    let mut chain: Vec<Name> = all(case, &task.above)?;
    chain.push(name.clone());
    let entropy = SeededEntropy::new(1);
    let opened_at = Timestamp(MIDNIGHT);
    let fresh = |e: remit_core::entropy::NoEntropy| case.error(e.to_string());
    let id = TaskId::fresh(opened_at, &entropy).map_err(fresh)?;
    let run = RunId::fresh(opened_at, &entropy).map_err(fresh)?;
    let state = task.state.as_deref().unwrap_or("open");
    let confinement = task.confinement.as_deref().unwrap_or("landlock");
    let run = Run {
        id: run,
        agent: name.clone(),
        task: id,
        confinement: Confinement::parse(confinement)
            .ok_or_else(|| case.error(format!("`{confinement}` is no confinement")))?,
    };
    let agent = Agent {
        name: name.clone(),
        owner: initiator.clone(),
        backup_owner: None,
        purpose: "tests".to_owned(),
        ceiling: Authority::unbounded(),
        standing: Standing::Active,
    };
    let human = Human {
        name: initiator.clone(),
        kind: remit_core::people::Kind::Human,
        authority: None,
        roles: all(case, &task.initiator_roles)?.into_iter().collect(),
        standing: Standing::Active,
    };
    let templates: Vec<Name> = template.into_iter().collect();
    Ok(Principal::new(&PrincipalFacts {
        task: Arc::new(Task {
            id,
            parent: None,
            initiator,
            agent: name,
            run: run.id,
            intent: Intent {
                goal: case.name.clone(),
                purpose: String::new(),
            },
            mode,
            template: templates.first().cloned(),
            authority,
            cut: Vec::new(),
            state: TaskState::parse(state)
                .ok_or_else(|| case.error(format!("`{state}` is no state of a task")))?,
            version: 1,
            opened_at,
            expires_at: opened_at.plus_ms(86_400_000),
            life: remit_core::task::Life::default(),
            untrusted: false,
        }),
        run: &run,
        agent: &agent,
        initiator: &human,
        chain: &chain,
        templates: &templates,
    }))
}

fn authority(
    case: &Case,
    task: &CaseTask,
    templates: &[Template],
) -> Result<(Authority, Mode, Option<Name>), TestError> {
    let named = match &task.template {
        Some(name) => Some(
            templates
                .iter()
                .find(|t| t.name.as_str() == name)
                .ok_or_else(|| case.error(format!("there is no template `{name}`")))?,
        ),
        None => None,
    };
    let own;
    let template = match named {
        Some(template) => template,
        None => {
            own = Template::of_case(&task.authority, &task.tiers).map_err(|e| case.error(e.to_string()))?;
            &own
        }
    };
    let instance = template
        .instantiate(&task.set)
        .map_err(|e| case.error(e.to_string()))?;
    let mode = match &task.mode {
        Some(word) => Mode::parse(word).ok_or_else(|| case.error(format!("`{word}` is no mode")))?,
        None => instance.mode,
    };
    Ok((instance.authority, mode, named.map(|t| t.name.clone())))
}

type Called = (Call, Option<(Classification, ToolState)>);

fn call(case: &Case, tools: &[Known]) -> Result<Called, TestError> {
    let mut words = case.call.splitn(3, ' ');
    let (server, operation, tool) = match (words.next(), words.next(), words.next()) {
        (Some(name), None, None) => {
            let name: ToolRef = one(case, name)?;
            let known = tools.iter().find(|known| known.name == name);
            let facts = known.map(|known| (known.classification.clone(), known.state));
            (name.server, Operation::CallTool(name.tool), facts)
        }
        (Some(server), Some(method), Some(target)) => {
            let operation = Operation::parse(method, target)
                .ok_or_else(|| case.error(format!("`{method} {target}` is no operation")))?;
            (one(case, server)?, operation, None)
        }
        _ => return Err(case.error("`call` is `server/tool`, or `server method target`")),
    };
    let mut arguments = Object::new();
    for (name, value) in &case.arguments {
        arguments.insert(name.as_str(), json_value(case, value)?);
    }
    let call = Call {
        server,
        server_identity: Digest::of(b"test server"),
        operation,
        fingerprint: Digest::of(b"test tool"),
        arguments,
        resources: all(case, &case.resources)?,
        destinations: all(case, &case.destinations)?,
        opaque: Vec::new(),
    };
    Ok((call, tool))
}

fn json_value(case: &Case, value: &toml::Value) -> Result<Value, TestError> {
    Ok(match value {
        toml::Value::String(text) => Value::from(text),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => Value::try_from(*number).map_err(|e| case.error(e.to_string()))?,
        toml::Value::Boolean(yes) => Value::from(*yes),
        toml::Value::Datetime(moment) => Value::from(moment.to_string()),
        toml::Value::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| json_value(case, item))
                .collect::<Result<_, _>>()?,
        ),
        toml::Value::Table(table) => {
            let mut object = Object::new();
            for (name, member) in table {
                object.insert(name.as_str(), json_value(case, member)?);
            }
            Value::Object(object)
        }
    })
}
