//! Use: what an agent has used before, and how often this task called a tool. It makes two parts of the risk score.
//!
//! Both come from the store once, and are kept: novelty from marks that are written with the first use of a thing, volume
//! from the decision records of the task. A decision reads memory only; its record says what it read, so that
//! `remit explain` can say why the score was what it was.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use remit_core::authority::Scope;
use remit_core::id::TaskId;
use remit_core::json::Object;
use remit_core::label::Labels;
use remit_core::name::Name;
use remit_core::resource::Resource;
use remit_core::tool::{Classification, ToolClass};
use remit_ledger::record::Record;
use remit_policy::Risk;
use remit_store::records::{self, Key};

use super::decide::Prepared;
use super::live::{Live, Snapshot};
use crate::app::{App, Failure};

/// Points when an agent uses a tool for the first time.
pub const NEW_TOOL: u8 = 15;
/// Points when an agent touches a resource root for the first time.
pub const NEW_ROOT: u8 = 10;
/// Points by how often this task called the tool before: from so many calls on, so many points.
pub const VOLUME: [(u64, u8); 5] = [(1000, 25), (300, 20), (100, 15), (30, 10), (10, 5)];
/// Things remembered of one agent; more stay new.
pub const FAMILIAR_MAX: usize = 10_000;
/// Newest records of a task that are counted when it is read: more than the highest step of [`VOLUME`] needs.
const COUNTED: u32 = 5_000;

/// What agents have used before, read once per agent.
#[derive(Debug, Default)]
pub struct Familiarity(Mutex<HashMap<Name, Arc<Familiar>>>);

/// What one agent has used before.
#[derive(Debug, Default)]
pub struct Familiar(RwLock<HashSet<Box<str>>>);

impl Familiar {
    fn knows(&self, what: &str) -> bool {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(what)
    }

    fn learn(&self, what: &[Box<str>]) {
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.extend(what.iter().cloned());
    }

    fn is_full(&self) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).len() >= FAMILIAR_MAX
    }
}

/// Use of one task and its agent.
#[derive(Debug)]
pub struct Uses {
    calls: Mutex<Counts>,
    agent: Arc<Familiar>,
}

#[derive(Debug, Default)]
struct Counts {
    all: u64,
    by_tool: HashMap<Box<str>, u64>,
}

/// What use says about one call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Weighed {
    /// Parts of the risk score.
    pub risk: Risk,
    /// Calls this task was allowed before, of any tool.
    pub calls: u64,
    /// Calls of this tool among them.
    pub of_tool: u64,
    /// What the agent uses for the first time; remembered when the call is allowed.
    pub first: Vec<Box<str>>,
}

/// The use of a live task: read from the store the first time.
///
/// # Errors
/// [`Failure::Unavailable`] when it cannot be read.
pub async fn of<'l>(app: &Arc<App>, live: &'l Live) -> Result<&'l Uses, Failure> {
    live.uses
        .get_or_try_init(|| async {
            let task = live.snapshot();
            let agent = familiar(app, &task.task.agent).await?;
            let calls = Mutex::new(counts(app, task.task.id).await?);
            Ok(Uses { calls, agent })
        })
        .await
}

async fn familiar(app: &Arc<App>, agent: &Name) -> Result<Arc<Familiar>, Failure> {
    let kept = |app: &App| {
        let all = app.familiarity.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(agent).cloned()
    };
    if let Some(known) = kept(app) {
        return Ok(known);
    }
    let name = agent.clone();
    let read = app
        .store
        .read(move |conn| Ok::<_, Failure>(remit_store::familiar::of(conn, &name)?))
        .await?;
    let mut all = app.familiarity.0.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all
        .entry(agent.clone())
        .or_insert_with(|| Arc::new(Familiar(RwLock::new(read))));
    Ok(Arc::clone(known))
}

async fn counts(app: &Arc<App>, task: TaskId) -> Result<Counts, Failure> {
    let key = task.to_string();
    app.store
        .read(move |conn| -> Result<Counts, Failure> {
            let mut counts = Counts::default();
            for found in records::latest(conn, &Key::Task(&key), u64::MAX >> 1, COUNTED)? {
                let record = found.decode()?;
                if record.kind == "decision" && record.decision.as_deref() == Some("allow") {
                    counts.add(record.tool.as_deref().unwrap_or_default());
                }
            }
            Ok(counts)
        })
        .await
}

impl Counts {
    fn add(&mut self, tool: &str) {
        self.all += 1;
        match self.by_tool.get_mut(tool) {
            Some(count) => *count += 1,
            None => {
                self.by_tool.insert(tool.into(), 1);
            }
        }
    }
}

impl Uses {
    /// What is known of a call before it is decided.
    #[must_use]
    pub fn weigh(&self, snapshot: &Snapshot, prepared: &Prepared, labels: &Labels) -> Weighed {
        let classification = prepared.classification();
        let (calls, of_tool) = {
            let counts = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            let tool = name_of(prepared);
            (
                counts.all,
                counts.by_tool.get(tool.as_str()).copied().unwrap_or(0),
            )
        };
        let mut weighed = Weighed {
            calls,
            of_tool,
            ..Weighed::default()
        };
        if classification.is_some() {
            let tool = format!("tool {}", name_of(prepared)).into_boxed_str();
            if !self.agent.knows(&tool) {
                weighed.first.push(tool);
                weighed.risk.novelty += NEW_TOOL;
            }
        }
        let tools = weighed.first.len();
        for resource in &prepared.call.resources {
            let root = root(snapshot, resource).into_boxed_str();
            if !self.agent.knows(&root) && !weighed.first.contains(&root) {
                weighed.first.push(root);
            }
        }
        if weighed.first.len() > tools {
            weighed.risk.novelty += NEW_ROOT;
        }
        let standing = without_use(prepared, labels).risk;
        (weighed.risk.class, weighed.risk.label) = (standing.class, standing.label);
        weighed.risk.volume = volume(of_tool);
        weighed
    }

    /// What has to be written with an allow: nothing for what is known, or once too much is.
    #[must_use]
    pub fn to_remember(&self, weighed: &Weighed) -> Vec<Box<str>> {
        if weighed.first.is_empty() || self.agent.is_full() {
            return Vec::new();
        }
        weighed.first.clone()
    }

    /// An allow was recorded.
    pub fn count(&self, prepared: &Prepared, remembered: &[Box<str>]) {
        let tool = name_of(prepared);
        self.calls
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .add(&tool);
        if !remembered.is_empty() {
            self.agent.learn(remembered);
        }
    }
}

/// What can be said without looking at use: for what is no call of a tool (a renewal, a credential).
#[must_use]
pub fn without_use(prepared: &Prepared, labels: &Labels) -> Weighed {
    Weighed {
        risk: Risk {
            class: class(prepared.classification()),
            label: u8::try_from(labels.len().min(5) * 5).unwrap_or(25),
            ..Risk::default()
        },
        ..Weighed::default()
    }
}

/// As records name it.
fn name_of(prepared: &Prepared) -> String {
    format!("{}/{}", prepared.call.server, prepared.call.operation.target())
}

/// `root <resource>`: the root of the task the resource lies under; without one its system and first segment.
fn root(snapshot: &Snapshot, resource: &Resource) -> String {
    if let Scope::Only(roots) = &snapshot.task.authority.resources
        && let Some(root) = roots.iter().find(|root| root.covers(resource))
    {
        return format!("root {root}");
    }
    let first = resource.segments().next().unwrap_or_default();
    format!("root {}:{first}", resource.system())
}

/// Points for what a class and an irreversible effect can break.
fn class(classification: Option<&Classification>) -> u8 {
    classification.map_or(0, |c| {
        let base = match c.class {
            ToolClass::Read => 0,
            ToolClass::Write => 5,
            ToolClass::Transfer => 10,
            ToolClass::Delete | ToolClass::Exec => 15,
            ToolClass::Privilege => 20,
        };
        base + if c.marks.irreversible { 5 } else { 0 }
    })
}

fn volume(calls: u64) -> u8 {
    VOLUME
        .iter()
        .find(|(from, _)| calls >= *from)
        .map_or(0, |(_, points)| *points)
}

/// Puts the risk into a record, as far as there is any.
pub fn record(entry: &mut Record, weighed: &Weighed) {
    let parts = [
        ("novelty", weighed.risk.novelty),
        ("class", weighed.risk.class),
        ("label", weighed.risk.label),
        ("volume", weighed.risk.volume),
    ];
    let mut risk: Object = parts
        .into_iter()
        .filter(|(_, points)| *points > 0)
        .map(|(part, points)| (part, i64::from(points)))
        .collect();
    if risk.is_empty() {
        return;
    }
    if weighed.risk.volume > 0 {
        risk.insert("calls", i64::try_from(weighed.of_tool).unwrap_or(i64::MAX));
    }
    if !weighed.first.is_empty() {
        let first: Vec<remit_core::json::Value> =
            weighed.first.iter().map(|what| what.as_ref().into()).collect();
        risk.insert("first", first);
    }
    entry.detail.insert("risk", risk);
}

/// The risk of a recorded decision, in words; nothing when there was none.
#[must_use]
pub fn explain(record: &Record) -> Vec<String> {
    let Some(risk) = record.detail.get("risk").and_then(|risk| risk.as_object()) else {
        return Vec::new();
    };
    let points = |part: &str| risk.get(part).and_then(|points| points.as_i64()).unwrap_or(0);
    let parts = ["novelty", "class", "label", "volume"];
    let score: i64 = parts.iter().map(|part| points(part)).sum();
    let mut lines = vec![format!("{score} of 100")];
    let first: Vec<&str> = risk
        .get("first")
        .and_then(|first| first.as_array())
        .unwrap_or_default()
        .iter()
        .filter_map(|what| what.as_str())
        .collect();
    let agent = record.agent.as_deref().unwrap_or("the agent");
    for part in parts.into_iter().filter(|part| points(part) > 0) {
        let why = match part {
            "novelty" => format!("first use by {agent}: {}", first.join(", ")),
            "class" => format!("it is a {}", record.class.as_deref().unwrap_or("call")),
            "label" => "the run carries labels".to_owned(),
            _ => format!("the task called it {} times before", points("calls")),
        };
        lines.push(format!("{part} {}: {why}", points(part)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::volume;

    #[test]
    fn volume_is_the_documented_scale() {
        let scale: Vec<u8> = [0, 9, 10, 29, 30, 99, 100, 299, 300, 999, 1000, u64::MAX]
            .into_iter()
            .map(volume)
            .collect();
        assert_eq!(scale, [0, 0, 5, 5, 10, 10, 15, 15, 20, 20, 25, 25]);
    }
}
