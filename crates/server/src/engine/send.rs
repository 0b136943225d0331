//! Sending: the permitted call goes out, its outcome is recorded, and only then does anybody see the answer.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use remit_core::call::Call;
use remit_core::decision::Decision;
use remit_core::id::CallId;
use remit_core::json::{Object, Value};
use remit_core::tool::ToolClass;
use remit_enforce::Permitted;
use remit_gateway::ports::{Answer, Era, Event, Events};
use remit_store::calls::CallState;
use remit_upstream::{CallOptions, ErrorKind, Reply as UpstreamReply, Sent, UpstreamError, UpstreamEvent};
use tokio::sync::mpsc;

use super::call::Allowed;
use super::links::{For, link};
use super::live::Live;
use super::{budgets, features, record};
use crate::app::{App, Failure};
use crate::registry::snapshot::ServerEntry;
use crate::tasks::builtin;

/// Events of one call that may wait to be taken.
const EVENTS_WAITING: usize = 64;

/// How to send.
#[derive(Clone, Debug)]
pub struct Manner {
    /// The revision the client speaks.
    pub era: Era,
    /// Options for the dialler.
    pub options: CallOptions,
    /// Keep the result, sealed, for the run to redeem.
    pub keep: bool,
}

/// Sends a permitted call and records what became of it.
///
/// # Errors
/// [`Failure::Unavailable`] when the outcome cannot be recorded: the answer is then withheld.
/// [`Failure::NeedsReauth`] when the server refused our login before it looked at the call, and the call may be decided
/// and made anew; the outcome `failed` is recorded then.
pub async fn send(
    app: &Arc<App>,
    live: &Arc<Live>,
    allowed: Allowed,
    manner: Manner,
    events: Option<Events>,
) -> Result<Answer, Failure> {
    if allowed.attachment.is_some() {
        return crate::egress::send::whole(app, live, allowed, manner.keep).await;
    }
    let Allowed {
        permitted,
        call,
        mut boarded,
        decision,
        lane,
        prepared,
        taken,
        ..
    } = allowed;
    let server = prepared
        .server
        .clone()
        .ok_or_else(|| Failure::Unavailable("the server is gone".to_owned()))?;
    let mut options = manner.options;
    options.mirrored = prepared
        .entry
        .as_ref()
        .map(|tool| Arc::clone(&tool.mirrored))
        .unwrap_or_default();
    let mut locked_out = None;
    let mut noted = crate::broker::databases::Noted::default();
    let name = server.server.name.clone();
    let sending = async {
        if builtin::is(&server.server.name) {
            return Box::pin(perform(app, live, permitted, &decision)).await;
        }
        if server.is_database() {
            let rows_max = budgets::on_account(&taken);
            return crate::broker::databases::run(app, live, permitted, rows_max, &mut noted).await;
        }
        match link(app, For::Task(live), &server, manner.era).await {
            Ok(link) => {
                let _inside = link.under_way.enter(call, live, &prepared);
                let (sender, receiver) = mpsc::channel(EVENTS_WAITING);
                let pump = pump(app, live, &server.server.name, manner.era, receiver, events);
                let send = link.connection.send(permitted, options, sender);
                tokio::pin!(pump);
                tokio::pin!(send);
                tokio::select! {
                    sent = &mut send => sent,
                    // The client is gone: the receiver is dropped with the pump, and the dialler cancels.
                    () = &mut pump => send.await,
                }
            }
            Err(failure) => {
                let error = not_reached(&server.server.name, &failure);
                locked_out = Some(failure).filter(|failure| matches!(failure, Failure::NeedsReauth(_)));
                Err(error)
            }
        }
    };
    let is_cut = boarded.is_cut();
    let sent = tokio::select! {
        biased;
        // Nothing of it has left yet.
        () = std::future::ready(()), if is_cut => Err(stopped(&name, Sent::No)),
        sent = sending => sent,
        () = boarded.cut() => Err(stopped(&name, Sent::Maybe)),
    };
    let (outcome, state, why) = match &sent {
        Ok(UpstreamReply::Result(_) | UpstreamReply::Error(_)) => ("done", CallState::Done, None),
        Err(error) if error.is_certain_failure() => ("failed", CallState::Failed, Some(error.to_string())),
        Err(error) => ("indeterminate", CallState::Indeterminate, Some(error.to_string())),
    };
    if state == CallState::Indeterminate
        && prepared
            .classification()
            .is_some_and(|c| c.class != ToolClass::Read)
        && decision.approval.is_none()
    {
        live.attempts.unknown(prepared.digest, call);
    }
    if let Err(error) = &sent
        && matches!(error.kind, ErrorKind::Refused(401 | 403))
    {
        locked_out = other_tokens(app, live, &server).await;
    }
    let answer = match &locked_out {
        // Nobody is there to make it anew: the result that is kept says what to do.
        Some(failure) if manner.keep => Answer::Result(error_result(&format!(
            "{failure}. It was not done; ask again afterwards."
        ))),
        _ => answer(sent, &server.server.name),
    };
    let mut entry = record::of_live("outcome", live);
    record::about_call(
        &mut entry,
        &prepared.call,
        prepared.classification().map(|c| c.class.as_str()),
    );
    entry.lane = Some(lane.to_owned());
    entry.decision_id = Some(decision.id.to_string());
    entry.approval = decision.approval.map(|id| id.to_string());
    entry.outcome = Some(outcome.to_owned());
    entry.detail.insert("call", call.to_string());
    noted.write(&mut entry);
    if let Some(why) = why {
        entry.detail.insert(
            "why",
            crate::approvals::card::escape(&why.chars().take(500).collect::<String>()),
        );
    }
    if let Answer::Result(result) = &answer
        && result.get("isError").and_then(Value::as_bool) == Some(true)
    {
        entry.detail.insert("tool_error", true);
    }
    // What is not known counts as it was taken.
    let used = if state == CallState::Failed {
        Some(0)
    } else {
        noted.counted
    };
    let kept = if manner.keep {
        Some(seal_answer(app, live, call, &answer)?)
    } else {
        None
    };
    let snapshot = live.snapshot();
    let (task, run) = (snapshot.task.id, snapshot.task.run);
    app.store
        .append(entry, move |tx| {
            if let Some(sealed) = &kept {
                remit_store::results::keep(tx, call, task, run, sealed)?;
            }
            if let Some(used) = used {
                budgets::give_back(tx, &taken, used)?;
            }
            remit_store::calls::finish(tx, call, state)
        })
        .await?;
    live.denials_in_a_row.store(0, Ordering::Relaxed);
    match locked_out {
        Some(failure) if !manner.keep => Err(failure),
        _ => Ok(answer),
    }
}

/// The server refused our login before it looked at the call. `Some`: it can be made anew, at once with the tokens that
/// are in use now or once somebody signed in.
async fn other_tokens(app: &Arc<App>, live: &Arc<Live>, server: &Arc<ServerEntry>) -> Option<Failure> {
    let initiator = live.snapshot().task.initiator.clone();
    let whose = crate::logins::whose(app, &server.server, &initiator)?;
    match crate::logins::tokens::refused(app, server, &whose, Some(live)).await {
        Ok(()) => Some(Failure::NeedsReauth(format!(
            "the login at server `{}` was renewed meanwhile",
            server.server.name
        ))),
        Err(needs @ Failure::NeedsReauth(_)) => Some(needs),
        Err(failure) => {
            tracing::info!(server = %server.server.name, %failure, "a refused login");
            None
        }
    }
}

/// What a run asks of Remit itself goes nowhere: it is done here, while its permit holds.
async fn perform(
    app: &Arc<App>,
    live: &Arc<Live>,
    permitted: Permitted<Call>,
    decision: &Decision,
) -> Result<UpstreamReply, UpstreamError> {
    let (call, permit) = permitted.into_parts();
    if !permit.is_fresh(app.clock.boot()) {
        let over = Failure::Conflict("the authority for this has gone".to_owned());
        return Err(not_reached(&call.server, &over));
    }
    let (result, _) = builtin::perform(app, live, &call, decision).await;
    Ok(UpstreamReply::Result(result))
}

/// A person stopped the tool or the host while the call was under way, and had got so far.
pub(crate) fn stopped(server: &remit_core::name::Name, sent: Sent) -> UpstreamError {
    UpstreamError {
        server: server.clone(),
        kind: remit_upstream::ErrorKind::Cut(remit_enforce::Cut::Ended),
        sent,
        detail: "it was stopped while it was under way".to_owned(),
    }
}

fn not_reached(server: &remit_core::name::Name, failure: &Failure) -> UpstreamError {
    UpstreamError {
        server: server.clone(),
        kind: remit_upstream::ErrorKind::Unreachable,
        sent: Sent::No,
        detail: failure.to_string(),
    }
}

/// What the agent gets. A failure of the way there is a tool result that says so, not a broken protocol.
fn answer(sent: Result<UpstreamReply, UpstreamError>, server: &remit_core::name::Name) -> Answer {
    match sent {
        Ok(UpstreamReply::Result(result)) => Answer::Result(result),
        Ok(UpstreamReply::Error(error)) => Answer::UpstreamError {
            code: error.code,
            message: error.message,
            data: error.data,
        },
        Err(error) => {
            let what = if error.is_certain_failure() {
                "It was not done; trying again is safe."
            } else {
                "It may or may not have been done. Do not repeat it blindly: look at the state first."
            };
            let text = format!("Server `{server}` gave no answer: {error}. {what}");
            Answer::Result(error_result(&text))
        }
    }
}

/// A tool result that reports an error in words.
#[must_use]
pub fn error_result(text: &str) -> Object {
    let mut block = Object::new();
    block.insert("type", "text");
    block.insert("text", text);
    let mut result = Object::new();
    result.insert("content", vec![Value::Object(block)]);
    result.insert("isError", true);
    result
}

/// Passes events on while the client is there; ends when the client is gone.
async fn pump(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &remit_core::name::Name,
    era: Era,
    mut from: mpsc::Receiver<UpstreamEvent>,
    to: Option<Events>,
) {
    loop {
        let event = match &to {
            Some(to) => tokio::select! {
                event = from.recv() => event,
                () = to.closed() => return,
            },
            None => from.recv().await,
        };
        match (event, &to) {
            // The call is over; the select above takes its answer.
            (None, _) => std::future::pending::<()>().await,
            (
                Some(UpstreamEvent::ClientRequest {
                    feature,
                    params,
                    reply,
                }),
                to,
            ) => {
                features::ask_client(
                    app,
                    live,
                    server,
                    era,
                    features::Wanted {
                        feature,
                        params,
                        reply,
                    },
                    to.clone(),
                );
            }
            (Some(UpstreamEvent::Progress(params)), Some(to)) => drop(to.try_send(Event::Progress(params))),
            (Some(UpstreamEvent::Log(params)), Some(to)) => drop(to.try_send(Event::Log(params))),
            (Some(_), None) => {}
        }
    }
}

/// Seals an answer for its run.
pub(crate) fn seal_answer(app: &App, live: &Live, call: CallId, answer: &Answer) -> Result<Vec<u8>, Failure> {
    let mut object = Object::new();
    match answer {
        Answer::Result(result) => object.insert("result", result.clone()),
        Answer::UpstreamError { code, message, data } => {
            let mut error = Object::new();
            error.insert("code", *code);
            error.insert("message", message.as_str());
            error.insert("data", data.clone().unwrap_or(Value::Null));
            object.insert("error", error)
        }
        Answer::Refused(_) => object.insert("result", error_result("refused")),
    };
    let task = live.snapshot().task.id;
    Ok(app.sealer(task)?.seal(
        &format!("result of {call}"),
        &Value::Object(object).to_canonical(),
        &*app.entropy,
    )?)
}

/// Opens a kept answer.
///
/// # Errors
/// [`Failure::Unavailable`] when it was changed.
pub fn open_answer(app: &App, live: &Live, call: CallId, sealed: &[u8]) -> Result<Answer, Failure> {
    let task = live.snapshot().task.id;
    let plain = app.sealer(task)?.open(&format!("result of {call}"), sealed)?;
    let bounds = remit_core::json::Bounds {
        bytes_max: usize::MAX,
        ..remit_core::json::Bounds::RESPONSE
    };
    let value = remit_core::json::parse(&plain, &bounds).map_err(Failure::unavailable)?;
    if let Some(result) = value.get("result").and_then(Value::as_object) {
        return Ok(Answer::Result(result.clone()));
    }
    let error = value
        .get("error")
        .ok_or_else(|| Failure::Unavailable("the kept result cannot be read".to_owned()))?;
    Ok(Answer::UpstreamError {
        code: error.get("code").and_then(Value::as_i64).unwrap_or(-32603),
        message: error
            .get("message")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned(),
        data: error.get("data").filter(|data| **data != Value::Null).cloned(),
    })
}
