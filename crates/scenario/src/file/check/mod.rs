//! What types cannot say: names that refer to each other, keys that go together.

mod known;

use known::Known;
use remit_core::decision::Reason;

use super::expect::Answered;
use super::server::Answer;
use super::{Entries, Expect, Scenario};
use crate::text::{Problem, unknown_key};

/// Checks a whole file.
pub(super) fn check(scenario: &Scenario) -> Result<(), Problem> {
    if scenario.steps.is_empty() {
        return Err(Problem::at(0, "`steps` is empty; list at least one step"));
    }
    setup(scenario)?;
    let mut known = Known::new(scenario);
    for task in &scenario.tasks.0 {
        known.task(task.line, &task.name, &task.value)?;
    }
    for step in &scenario.steps {
        known.step(step).map_err(|problem| problem.or_at(step.line, 0))?;
    }
    known.all_joined()
}

fn setup(scenario: &Scenario) -> Result<(), Problem> {
    for server in &scenario.servers.0 {
        for tool in &server.value.tools {
            definition(tool).map_err(|problem| problem.or_at(server.line, 0))?;
        }
        answers(&server.value.answers)?;
        if let Some(unclassed) = server
            .value
            .irreversible
            .iter()
            .find(|tool| server.value.classes.get(tool).is_none())
        {
            let sentence = format!("`{unclassed}` is marked irreversible; give its class in `classes` too");
            return Err(Problem::at(server.line, sentence));
        }
    }
    for agent in &scenario.agents.0 {
        let owners = [Some(&agent.value.owner), agent.value.backup_owner.as_ref()];
        for owner in owners.into_iter().flatten() {
            one_of("human", owner, &scenario.humans).map_err(|problem| problem.or_at(agent.line, 0))?;
        }
    }
    for freeze in &scenario.freezes {
        either_end(freeze.until.is_some(), freeze.lasts.is_some())?;
    }
    for secret in &scenario.secrets.0 {
        if secret.value.value.len() < 8 {
            let sentence = "a planted secret has at least 8 characters; shorter ones turn up by chance";
            return Err(Problem::at(secret.line, sentence));
        }
    }
    for host in &scenario.hosts.0 {
        if host.name.is_empty() || host.name.contains(['/', ' ', '@']) {
            return Err(Problem::at(
                host.line,
                format!("`{}` is not a host; write for example `api.example`", host.name),
            ));
        }
    }
    for policy in &scenario.policies.0 {
        cedar(policy.line, &policy.name)?;
    }
    Ok(())
}

fn definition(tool: &serde_json::Map<String, serde_json::Value>) -> Result<(), Problem> {
    let named = tool.get("name").is_some_and(serde_json::Value::is_string);
    let typed = tool.get("inputSchema").is_some_and(serde_json::Value::is_object);
    if named && typed {
        Ok(())
    } else {
        Err(Problem::at(
            0,
            "a tool definition has at least `name` and `inputSchema`, as MCP wants it",
        ))
    }
}

fn answers(answers: &Entries<Vec<Answer>>) -> Result<(), Problem> {
    for tool in &answers.0 {
        for answer in &tool.value {
            let kinds = [
                answer.text.is_some(),
                answer.result.is_some(),
                answer.tool_error.is_some(),
                answer.error.is_some(),
                answer.hang,
                answer.crash,
                answer.huge.is_some(),
            ];
            if kinds.into_iter().filter(|given| *given).count() != 1 {
                let sentence = format!(
                    "an answer of `{}` is not clear; give exactly one of `text`, `result`, `tool_error`, `error`, `hang`, `crash`, `huge`",
                    tool.name
                );
                return Err(Problem::at(tool.line, sentence));
            }
        }
    }
    Ok(())
}

fn cedar(line: usize, name: &str) -> Result<(), Problem> {
    let stem = name.strip_suffix(".cedar").unwrap_or_default();
    let plain = !stem.is_empty()
        && stem
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if plain {
        Ok(())
    } else {
        Err(Problem::at(
            line,
            format!("`{name}` is not the name of a policy file; write for example `rules.cedar`"),
        ))
    }
}

fn either_end(until: bool, lasts: bool) -> Result<(), Problem> {
    if until == lasts {
        Err(Problem::at(
            0,
            "a freeze needs its end; give either `until` or `for`",
        ))
    } else {
        Ok(())
    }
}

fn one_of<T>(what: &str, name: &str, declared: &Entries<T>) -> Result<(), Problem> {
    if declared.get(name).is_some() {
        return Ok(());
    }
    let sentence = unknown_key(name, declared.names());
    Err(Problem::at(0, sentence.replacen("key", what, 1)))
}

/// A refusal of the protocol itself has a status or a code instead of a reason.
fn answered(expect: &Answered) -> Result<(), Problem> {
    let protocol = expect.status.is_some() || expect.error_code.is_some();
    match (expect.expect, &expect.reason) {
        (Expect::Deny, None) if protocol => Ok(()),
        (effect, given) => reason(effect, given.as_deref()),
    }
}

fn reason(expect: Expect, reason: Option<&str>) -> Result<(), Problem> {
    match (expect, reason) {
        (Expect::Deny | Expect::Quarantine | Expect::Revoke, None) => Err(Problem::at(
            0,
            format!(
                "`expect: {}` needs the `reason` that must cause it",
                expect.as_str()
            ),
        )),
        (_, Some(code)) if Reason::parse(code).is_none() => {
            let known = Reason::ALL.iter().map(|reason| reason.as_str());
            Err(Problem::at(
                0,
                unknown_key(code, known).replacen("key", "reason", 1),
            ))
        }
        _ => Ok(()),
    }
}
