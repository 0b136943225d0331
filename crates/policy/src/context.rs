//! The facts of a call as `context`: one table gives each its name, type, meaning and value, so that the schema rules are
//! validated against and the requests they are evaluated with cannot differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use cedar_policy_core::ast::{Context, Value};
use remit_core::authority::Budget;
use remit_core::call::Operation;
use remit_core::destination::DestinationKind;
use remit_core::json;
use remit_core::name::Name;
use remit_core::tool::{Marks, ToolClass, ToolState};

use crate::catalogue::Action;
use crate::facts::Facts;
use crate::{names, values};

/// What the values are taken from.
pub(crate) struct Frame<'a> {
    pub facts: &'a Facts<'a>,
    pub selectors: Value,
    pub arguments: Value,
    pub opaque: &'a [String],
}

impl Frame<'_> {
    pub fn class(&self) -> ToolClass {
        class(self.facts)
    }

    fn marks(&self) -> Marks {
        self.facts
            .tool
            .map_or_else(Marks::default, |tool| tool.classification.marks)
    }
}

/// The class of a call: a tool's own; operations look, but for answers to a server, which send.
pub(crate) fn class(facts: &Facts<'_>) -> ToolClass {
    match (&facts.tool, &facts.call.operation) {
        (Some(tool), _) => tool.classification.class,
        (None, Operation::AnswerServer(_)) => ToolClass::Transfer,
        (None, Operation::CallTool(_) | Operation::Issue(_)) => ToolClass::Privilege,
        (None, _) => ToolClass::Read,
    }
}

/// Where the tool stands; operations that are no tools have no such state, a tool nobody told us about is not admitted.
fn state(facts: &Facts<'_>) -> ToolState {
    match (&facts.tool, &facts.call.operation) {
        (Some(tool), _) => tool.state,
        (None, Operation::CallTool(_)) => ToolState::Quarantined,
        (None, _) => ToolState::Admitted,
    }
}

/// One fact that rules can read.
pub(crate) struct Field {
    pub name: &'static str,
    /// Cedar type; empty for the arguments, whose type is the tool's.
    pub kind: &'static str,
    pub meaning: &'static str,
    pub value: fn(&Frame<'_>) -> Value,
}

const fn field(
    name: &'static str,
    kind: &'static str,
    meaning: &'static str,
    value: fn(&Frame<'_>) -> Value,
) -> Field {
    Field {
        name,
        kind,
        meaning,
        value,
    }
}

/// Every fact of a call, in the order of the schema.
pub(crate) static FIELDS: [Field; 29] = [
    field(
        "answer_labels",
        "Set<String>",
        "labels the tool's answers may carry",
        |f| {
            f.facts.tool.map_or_else(values::empty_set, |tool| {
                values::texts(
                    tool.classification
                        .labels
                        .iter()
                        .map(remit_core::label::Label::text),
                )
            })
        },
    ),
    field(
        "approval",
        "{ level: Long }",
        "only as `unless { context.approval.level >= n }` in a forbid",
        // Evaluated at level 0 always: the levels at which such a rule falls away are known from its text.
        |_| values::record([("level", values::long(0))]),
    ),
    field(
        "arguments",
        "",
        "the arguments, typed from the tool's input schema",
        |f| f.arguments.clone(),
    ),
    field(
        "broken_bounds",
        "Set<String>",
        "JSON Pointers of arguments outside the task's bounds",
        broken_bounds,
    ),
    field("calls_made", "Long", "calls this task has made so far", |f| {
        values::long(i64::try_from(f.facts.calls_made).unwrap_or(i64::MAX))
    }),
    field(
        "class",
        "String",
        "read, write, delete, transfer, exec or privilege",
        |f| values::text(f.class().as_str()),
    ),
    field(
        "contained",
        "Bool",
        "what the server does over the network passes Remit too: not true of servers at an address, nor of `uncontained` ones",
        |f| values::boolean(f.facts.contained),
    ),
    field(
        "destination_domains",
        "Set<String>",
        "hosts and mail domains of the destinations",
        |f| values::texts(f.facts.call.destinations.iter().filter_map(domain)),
    ),
    field(
        "destinations",
        "Set<Destination>",
        "where the call sends data",
        |f| values::entities(f.facts.call.destinations.iter().map(names::destination)),
    ),
    field(
        "exhausted",
        "Set<String>",
        "budgets this call would overrun that nobody may lift: those of a ceiling, of the initiator's rights, of strangers' tasks",
        |f| values::texts(overrun(f, false)),
    ),
    field(
        "frozen",
        "Set<Resource>",
        "what is frozen now, and what of the call lies above it: resource in context.frozen",
        |f| {
            let above = f
                .facts
                .call
                .resources
                .iter()
                .filter(|r| f.facts.frozen.iter().any(|root| r.covers(root)));
            values::entities(f.facts.frozen.iter().chain(above).map(names::resource))
        },
    ),
    field("irreversible", "Bool", "cannot be undone", |f| {
        values::boolean(f.marks().irreversible)
    }),
    field(
        "labels",
        "Set<String>",
        "labels the run carries: confidential, secret, personal, untrusted, tenant:x",
        |f| values::texts(f.facts.labels.iter().map(remit_core::label::Label::text)),
    ),
    field(
        "method",
        "String",
        "tools/call, resources/read, prompts/get …",
        |f| values::text(f.facts.call.operation.method()),
    ),
    field("mints", "Bool", "returns a credential", |f| {
        values::boolean(f.marks().mints)
    }),
    field(
        "opaque",
        "Set<String>",
        "JSON Pointers of arguments rules cannot see",
        |f| values::texts(f.opaque),
    ),
    field("origin", "String", "initial, retry or anomaly", |f| {
        values::text(f.facts.origin.as_str())
    }),
    field(
        "overrun",
        "Set<String>",
        "budgets of the task itself that this call would overrun",
        |f| values::texts(overrun(f, true)),
    ),
    field("proof", "String", "bearer, peer or key", |f| {
        values::text(f.facts.proof.as_str())
    }),
    field(
        "resources",
        "Set<Resource>",
        "everything the call touches; `resource` is each of them in turn",
        |f| values::entities(f.facts.call.resources.iter().map(names::resource)),
    ),
    field(
        "risk",
        "{ class: Long, label: Long, novelty: Long, score: Long, volume: Long }",
        "the risk score (0 to 100) and its parts (0 to 25 each)",
        |f| {
            let risk = f.facts.risk;
            values::record([
                ("class", values::long(risk.class.into())),
                ("label", values::long(risk.label.into())),
                ("novelty", values::long(risk.novelty.into())),
                ("score", values::long(risk.score().into())),
                ("volume", values::long(risk.volume.into())),
            ])
        },
    ),
    field(
        "salient_opaque",
        "Bool",
        "a resource or destination of the call cannot be seen by rules",
        |f| values::boolean(f.facts.salient_opaque),
    ),
    field(
        "selectors",
        "Set<String>",
        "every tool selector that selects this call",
        |f| f.selectors.clone(),
    ),
    field("server", "String", "the server's name", |f| {
        values::text(f.facts.call.server.as_str())
    }),
    field(
        "target",
        "String",
        "tool, URI, prompt, reference or feature",
        |f| values::text(f.facts.call.operation.target()),
    ),
    field(
        "time",
        "{ at: Long, hour: Long, minute: Long, weekday: Long }",
        "now: epoch ms; local hour (0 to 23), minute, weekday (1 Monday to 7 Sunday)",
        time,
    ),
    field("tool_state", "String", "admitted, quarantined or retired", |f| {
        values::text(state(f.facts).as_str())
    }),
    field("touches", "Long", "how many resources the call touches", |f| {
        values::long(i64::try_from(f.facts.call.resources.len()).unwrap_or(i64::MAX))
    }),
    field(
        "unknown_destinations",
        "Set<Destination>",
        "destinations neither named by the task nor known to be good",
        |f| values::entities(f.facts.unknown_destinations.iter().map(names::destination)),
    ),
];

/// The context of a call.
pub(crate) fn context(frame: &Frame<'_>) -> Context {
    let members: BTreeMap<_, _> = FIELDS.iter().map(|f| (f.name.into(), (f.value)(frame))).collect();
    Context::Value(Arc::new(members))
}

/// The facts of a call for people: name, Cedar type, meaning.
#[must_use]
pub fn context_fields() -> Vec<(&'static str, &'static str, &'static str)> {
    FIELDS.iter().map(|f| (f.name, f.kind, f.meaning)).collect()
}

fn time(frame: &Frame<'_>) -> Value {
    let at = frame.facts.now.0;
    let local = at.saturating_add(i64::from(frame.facts.utc_offset_minutes).saturating_mul(60_000));
    let minute_of_day = local.rem_euclid(86_400_000) / 60_000;
    // 1970-01-01 was a Thursday.
    let weekday = (local.div_euclid(86_400_000) + 3).rem_euclid(7) + 1;
    values::record([
        ("at", values::long(at)),
        ("hour", values::long(minute_of_day / 60)),
        ("minute", values::long(minute_of_day % 60)),
        ("weekday", values::long(weekday)),
    ])
}

fn domain(destination: &remit_core::destination::Destination) -> Option<&str> {
    match destination.kind() {
        DestinationKind::Host => Some(destination.value()),
        DestinationKind::Mail => destination.value().rsplit_once('@').map(|(_, domain)| domain),
        _ => None,
    }
}

/// `calls`, a class, `server/tool`, `sum server/tool/pointer`, or `rows database`.
pub(crate) fn budget(budget: &Budget) -> String {
    match budget {
        Budget::Calls => "calls".to_owned(),
        Budget::Class(class) => class.as_str().to_owned(),
        Budget::Tool(tool) => tool.to_string(),
        Budget::Sum(argument) => format!("sum {}{}", argument.tool, argument.pointer),
        Budget::Rows(database) => format!("rows {database}"),
    }
}

fn overrun(frame: &Frame<'_>, liftable: bool) -> impl Iterator<Item = String> {
    let all = frame.facts.exhausted.iter();
    all.filter(move |overrun| overrun.liftable == liftable)
        .map(|overrun| budget(&overrun.budget))
}

fn broken_bounds(frame: &Frame<'_>) -> Value {
    values::texts(broken(frame.facts))
}

/// Pointers of arguments outside the task's bounds.
pub(crate) fn broken<'a>(facts: &'a Facts<'_>) -> impl Iterator<Item = &'a str> {
    let call = facts.call;
    let bounds = &facts.principal.task.authority.bounds;
    let applies = move |server: &Name, tool: &str| {
        *server == call.server && matches!(&call.operation, Operation::CallTool(t) if t.as_str() == tool)
    };
    bounds
        .iter()
        .filter(move |(argument, _)| applies(&argument.tool.server, argument.tool.tool.as_str()))
        .filter(move |(argument, bounds)| {
            let value = at(&call.arguments, &argument.pointer);
            !bounds.iter().all(|bound| bound.holds(value))
        })
        .map(|(argument, _)| argument.pointer.as_str())
}

/// The value at a JSON Pointer, without copying the object into a value first.
fn at<'a>(object: &'a json::Object, pointer: &str) -> Option<&'a json::Value> {
    let rest = pointer.strip_prefix('/')?;
    let (first, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let key = first.replace("~1", "/").replace("~0", "~");
    object.get(&key)?.pointer(below)
}

/// The typed arguments, and pointers of what they do not hold; the pointer that does not fit, otherwise.
pub(crate) fn typed(facts: &Facts<'_>, action: &Action) -> Result<(Value, Vec<String>), String> {
    let mut opaque = Vec::new();
    let arguments = crate::catalogue::arguments(&action.fields, &facts.call.arguments, &mut opaque)
        .map_err(|misfit| misfit.0)?;
    for pointer in &facts.call.opaque {
        if !opaque.contains(pointer) {
            opaque.push(pointer.clone());
        }
    }
    Ok((arguments, opaque))
}
