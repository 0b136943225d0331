//! Doing what a built-in tool is for, once it was decided and recorded.

use std::sync::Arc;

use remit_core::call::{Call, Operation};
use remit_core::decision::Decision;
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::task::Ending;
use remit_store::codec::authority_to_json;

use super::{DELEGATE, RENEW, REQUEST_ACCESS, arguments};
use crate::app::{App, Failure};
use crate::engine::live::Live;
use crate::tasks::{about, amend, end, open, renew};

/// Performs one; the result as the agent gets it, and whether it worked.
pub async fn perform(app: &Arc<App>, live: &Arc<Live>, call: &Call, decision: &Decision) -> (Object, bool) {
    match done(app, live, call, decision).await {
        Ok(shown) => (result(shown, false), true),
        Err(failure) => {
            let mut shown = Object::new();
            shown.insert("refused", failure.code());
            shown.insert("message", failure.to_string());
            (result(shown, true), false)
        }
    }
}

async fn done(app: &Arc<App>, live: &Arc<Live>, call: &Call, decision: &Decision) -> Result<Object, Failure> {
    let Operation::CallTool(tool) = &call.operation else {
        return Err(Failure::invalid("only tools are built in"));
    };
    let given = &call.arguments;
    let task = live.snapshot().task.id;
    match tool.as_str() {
        DELEGATE => {
            let opened = open::delegate(app, arguments::new_task(given)?, live).await?;
            Ok(delegated(app, opened))
        }
        REQUEST_ACCESS => {
            let by = agreed_by(app, decision).await?;
            let mut change = arguments::change(given)?;
            change.expires_at =
                arguments::seconds(given, "ttl_seconds").map(|ms| app.clock.now().plus_ms(ms));
            change.because.insert("asked_by", call_agent(live).as_str());
            let amended = amend::amend(app, task, change, &by).await?;
            let mut shown = about::about(app, live).await?;
            shown.insert("granted_by", by.as_str());
            shown.insert("version", amended.version);
            shown.insert("not_given", sentences(&amended.cut));
            Ok(shown)
        }
        RENEW => {
            let ttl = arguments::seconds(given, "ttl_seconds").unwrap_or(0);
            let renewed = renew::renew_for_run(app, live, ttl).await?;
            let mut shown = Object::new();
            shown.insert("expires_at", renewed.expires_at.to_string());
            shown.insert("narrowed", sentences(&renewed.narrowed));
            Ok(shown)
        }
        "done" => {
            let ending = match arguments::text(given, "outcome") {
                "cancelled" => Ending::Cancelled,
                _ => Ending::Completed,
            };
            let agent = call_agent(live);
            let gone = end::end(app, task, ending, &agent, arguments::text(given, "note")).await?;
            let mut shown = Object::new();
            shown.insert("ended", sentences(&gone.tasks));
            Ok(shown)
        }
        "heartbeat" => {
            let task = &live.snapshot().task;
            let mut shown = Object::new();
            shown.insert("state", task.state.as_str());
            shown.insert("expires_at", task.expires_at.to_string());
            if let Some(ms) = task.life.heartbeat_ms {
                shown.insert("next_within_ms", ms);
            }
            Ok(shown)
        }
        "task" => about::about(app, live).await,
        other => Err(Failure::NotFound(format!("`{other}` is not built in"))),
    }
}

fn call_agent(live: &Live) -> Name {
    live.snapshot().task.agent.clone()
}

/// The person whose yes let this call through.
async fn agreed_by(app: &Arc<App>, decision: &Decision) -> Result<Name, Failure> {
    let nobody = || Failure::Forbidden("nobody has agreed to this".to_owned());
    let approval = decision.approval.ok_or_else(nobody)?;
    let stored = crate::approvals::vote::get(app, approval).await?;
    stored
        .approval
        .votes
        .last()
        .map(|vote| vote.human.clone())
        .ok_or_else(nobody)
}

/// What the run that delegated is told: everything the other agent needs to act.
fn delegated(app: &App, opened: open::Opened) -> Object {
    let mut shown = Object::new();
    shown.insert("task", opened.task.id.to_string());
    shown.insert("run", opened.task.run.to_string());
    shown.insert("agent", opened.task.agent.as_str());
    shown.insert("spiffe_id", opened.spiffe_id);
    shown.insert("token", opened.token);
    shown.insert("mcp_url", format!("{}/mcp", *app.base_url.borrow()));
    shown.insert("expires_at", opened.task.expires_at.to_string());
    shown.insert("authority", authority_to_json(&opened.task.authority));
    shown.insert("cut", sentences(&opened.task.cut));
    shown
}

fn sentences<T: ToString>(list: &[T]) -> Vec<Value> {
    list.iter().map(|item| Value::from(item.to_string())).collect()
}

/// A tool result: the object for programs, and the same as text.
fn result(shown: Object, is_error: bool) -> Object {
    let mut block = Object::new();
    block.insert("type", "text");
    block.insert("text", Value::Object(shown.clone()).to_string());
    let mut result = Object::new();
    result.insert("content", vec![Value::Object(block)]);
    result.insert("structuredContent", shown);
    if is_error {
        result.insert("isError", true);
    }
    result
}
