//! The arguments of the built-in tools as values; their schemas were checked before.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use remit_core::authority::{ArgumentRef, Authority, Bound, Budget};
use remit_core::json::{Object, Value};
use remit_core::task::{Intent, Mode};
use remit_core::verb;
use remit_store::codec::{argument_bound_from_json, budget_from_text};

use crate::app::Failure;
use crate::tasks::amend::Change;
use crate::tasks::open::{More, NewTask};

/// A text; empty when it is not there.
pub(super) fn text<'a>(arguments: &'a Object, name: &str) -> &'a str {
    arguments.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A number of seconds in milliseconds.
pub(super) fn seconds(arguments: &Object, name: &str) -> Option<i64> {
    let seconds = arguments.get(name).and_then(Value::as_i64)?;
    Some(seconds.saturating_mul(1000))
}

fn list<'a>(arguments: &'a Object, name: &str) -> &'a [Value] {
    arguments.get(name).and_then(Value::as_array).unwrap_or_default()
}

fn parsed<T, C>(arguments: &Object, name: &str) -> Result<C, Failure>
where
    T: FromStr<Err: Display>,
    C: FromIterator<T>,
{
    list(arguments, name)
        .iter()
        .filter_map(Value::as_str)
        .map(|text| {
            text.parse()
                .map_err(|error: T::Err| Failure::invalid(format!("`{name}`: {error}")))
        })
        .collect()
}

/// The task a run wants to open for another agent.
///
/// # Errors
/// A sentence with the argument that cannot be read.
pub(super) fn new_task(arguments: &Object) -> Result<NewTask, Failure> {
    let agent = text(arguments, "agent").parse().map_err(Failure::invalid)?;
    let intent = Intent {
        goal: text(arguments, "intent").to_owned(),
        purpose: text(arguments, "purpose").to_owned(),
    };
    let mut new = NewTask::new(agent, intent);
    new.allow = parsed(arguments, "tools")?;
    let (resources, narrowed) = verb::apart(parsed(arguments, "resources")?).map_err(Failure::invalid)?;
    new.resources = resources;
    new.destinations = parsed(arguments, "destinations")?;
    new.ttl_ms = seconds(arguments, "ttl_seconds");
    new.mode = arguments
        .get("mode")
        .and_then(Value::as_str)
        .and_then(Mode::parse);
    new.more = More {
        depth: whole(arguments, "depth").and_then(|n| u8::try_from(n).ok()),
        fan_out: whole(arguments, "fan_out").and_then(|n| u16::try_from(n).ok()),
        heartbeat_ms: seconds(arguments, "heartbeat_seconds"),
        ..More::default()
    };
    new.limit = Some(Authority {
        narrowed,
        ..limit(arguments)?
    });
    Ok(new)
}

fn whole(arguments: &Object, name: &str) -> Option<i64> {
    arguments.get(name).and_then(Value::as_i64)
}

/// Classes, bounds and budgets a delegation names.
fn limit(arguments: &Object) -> Result<Authority, Failure> {
    let mut limit = Authority::unbounded();
    if arguments.contains_key("classes") {
        limit.classes = parsed(arguments, "classes")?;
    }
    let mut bounds: BTreeMap<ArgumentRef, Vec<Bound>> = BTreeMap::new();
    for item in list(arguments, "bounds") {
        let (argument, bound) =
            argument_bound_from_json(item).map_err(|error| Failure::invalid(format!("`bounds`: {error}")))?;
        bounds.entry(argument).or_default().push(bound);
    }
    limit.bounds = bounds;
    for item in list(arguments, "budgets") {
        let counts = item.get("counts").and_then(Value::as_str).unwrap_or_default();
        let budget: Budget = budget_from_text(counts).ok_or_else(|| {
            Failure::invalid(format!(
                "`budgets`: `{counts}` counts nothing: write `calls`, `class:write`, `tool:server/tool`, `sum:server/tool#/pointer` or `rows:database`"
            ))
        })?;
        let max = item.get("max").and_then(Value::as_u64).unwrap_or_default();
        limit.budgets.insert(budget, max);
    }
    Ok(limit)
}

/// What a run asks to be changed.
///
/// # Errors
/// A sentence with the argument that cannot be read, or that nothing is asked for.
pub(super) fn change(arguments: &Object) -> Result<Change, Failure> {
    let mut because = Object::new();
    for name in ["reason", "business_case"] {
        if let Some(said) = arguments.get(name) {
            because.insert(name, said.clone());
        }
    }
    let change = Change {
        tools: parsed(arguments, "tools")?,
        resources: parsed(arguments, "resources")?,
        destinations: parsed(arguments, "destinations")?,
        goal: arguments.get("intent").and_then(Value::as_str).map(str::to_owned),
        because,
        ..Change::default()
    };
    let asks = !change.tools.is_empty()
        || !change.resources.is_empty()
        || !change.destinations.is_empty()
        || change.goal.is_some()
        || arguments.contains_key("ttl_seconds");
    if asks {
        Ok(change)
    } else {
        Err(Failure::invalid(
            "nothing is asked for: name `tools`, `resources`, `destinations`, `intent` or `ttl_seconds`",
        ))
    }
}
