//! Objects named by an id: looked up by a call of its own, on the same way as any, before the request that names one is
//! decided. What the system says about the object is read here and given to nobody.

use std::sync::Arc;

use remit_core::call::Operation;
use remit_core::confinement::Proof;
use remit_core::decision::{Decision, Effect, Reason};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_core::tool::ToolRef;
use remit_egress::describe::System;
use remit_egress::ports::{Answer, Response};
use remit_egress::request::Reading;
use remit_egress::request::carried::Carried;
use remit_egress::request::lookup::{ANSWER_BYTES_MAX, Found, OBJECT, bind, is_same_request};
use remit_egress::spool::Spool;
use remit_gateway::ports::Era;

use super::attachment::Attachment;
use super::{idempotency, port};
use crate::app::{App, Failure};
use crate::engine::call::{Asked, deny_for};
use crate::engine::cause::Cause;
use crate::engine::decide::prepare;
use crate::engine::live::Live;
use crate::engine::{reach, waiting};

/// What became of looking.
pub(super) enum Looked {
    /// The request with its object, or one that has none.
    Known(Reading),
    /// The request is answered: it waits for people, or is refused, or it is not known what it is for.
    Answered(Answer),
}

/// Whose request it is, and what a lookup for it goes with.
pub(super) struct Asker<'a> {
    /// The system.
    pub(super) system: &'a System,
    /// The placeholders of the request.
    pub(super) carried: &'a [Carried],
    /// How it proved its run.
    pub(super) proof: Proof,
    /// The calls a server makes it for.
    pub(super) cause: Option<&'a Arc<Cause>>,
}

impl Asker<'_> {
    fn asks(&self, reading: &Reading) -> Asked {
        Asked {
            server: self.system.name.clone(),
            operation: Operation::CallTool(reading.operation.clone()),
            arguments: reading.arguments.clone(),
            era: Era::Modern,
            proof: self.proof,
            attachment: Some(Arc::new(Attachment {
                body: Spool::default().finish(),
                carried: self.carried.to_vec(),
            })),
            cause: self.cause.cloned(),
        }
    }

    fn tool(&self, reading: &Reading) -> ToolRef {
        ToolRef {
            server: self.system.name.clone(),
            tool: reading.operation.clone(),
        }
    }
}

/// Looks up the object a request names by an id, where its description says so.
///
/// # Errors
/// [`Failure`] when nothing could be decided or recorded: nothing was sent then.
pub(super) async fn look_up(
    app: &Arc<App>,
    live: &Arc<Live>,
    asker: Asker<'_>,
    mut reading: Reading,
) -> Result<Looked, Failure> {
    let Some(lookup) = reading.lookup.take() else {
        return Ok(Looked::Known(reading));
    };
    let (tool, by) = (asker.tool(&reading), asker.tool(&lookup));
    let added: Vec<&str> = idempotency::header(asker.system, &reading.operation)
        .into_iter()
        .collect();
    let same = |stored: &Object| is_same_request(&reading.arguments, stored, &added);
    if let Some(approval) = waiting::same_request(app, live, &tool, same).await? {
        let given = waiting::again(app, live, approval).await?;
        return Ok(Looked::Answered(port::given_to(app, live, given)));
    }
    let asked = asker.asks(&reading);
    if let Some(decision) = reach::beyond(app, live, &asked).await? {
        return Ok(Looked::Answered(Answer::Refused(Box::new(decision))));
    }
    let response = match port::made(app, live, &asker.asks(&lookup)).await? {
        Answer::Response(response) => response,
        Answer::Refused(decision) => {
            return Ok(Looked::Answered(Answer::Refused(Box::new(about(
                *decision, &tool, &by,
            )))));
        }
        Answer::Failed { sentence, .. } => return Ok(Looked::Answered(failed(&by, &sentence))),
    };
    let (status, headers) = (response.status, response.headers.clone());
    let body = match whole(response).await {
        Ok(body) => body,
        Err(why) => return Ok(Looked::Answered(failed(&by, &why))),
    };
    let found = Found {
        status,
        headers: &headers,
        body: &body,
    };
    match bind(asker.system, reading, &found) {
        Ok(reading) => Ok(Looked::Known(reading)),
        Err(refusal) => {
            let mut prepared = prepare(
                &app.world(),
                &asked.server,
                asked.operation,
                asked.arguments,
                asked.proof,
            );
            prepared.cause = asked.cause;
            let decision = deny_for(app, live, &prepared, refusal.reason, refusal.sentence).await?;
            Ok(Looked::Answered(Answer::Refused(Box::new(decision))))
        }
    }
}

/// A lookup that was not let through, as the agent is told: it asked for something else.
fn about(decision: Decision, tool: &ToolRef, by: &ToolRef) -> Decision {
    let what = match (decision.effect, decision.reason) {
        (Effect::Hold, _) => "waits for a person; make the same request again then",
        (_, Reason::OutOfAuthority) => "is refused; the task has to allow that too",
        _ => "is refused",
    };
    Decision {
        message: format!(
            "what `{tool}` is for is looked up with `{by}`, and that {what}: {}",
            decision.message
        ),
        ..decision
    }
}

/// The request itself was surely not sent.
fn failed(by: &ToolRef, why: &str) -> Answer {
    Answer::Failed {
        sentence: format!("looking up what it is for, with `{by}`, failed: {why}"),
        certain: true,
    }
}

/// An answer to its end, which comes once its outcome is recorded.
async fn whole(mut response: Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while let Some(piece) = response.body.recv().await {
        let piece = piece.map_err(|broken| broken.to_string())?;
        if body.len() + piece.len() > ANSWER_BYTES_MAX {
            return Err(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes"));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// A refusal without what was only looked up: the agent named an id, and what stands behind it is none of its business.
pub(super) fn without_object(system: &Name, arguments: &Object, decision: Decision) -> Decision {
    let Some(object) = arguments.get(OBJECT).and_then(Value::as_object) else {
        return decision;
    };
    if decision.effect != Effect::Deny {
        return decision;
    }
    let mut message = decision.message.clone();
    let touched = arguments.get("resources").and_then(Value::as_array);
    for path in touched.unwrap_or_default().iter().filter_map(Value::as_str) {
        let told = format!("{system}:{path}");
        for told in [format!("`{told}`"), told] {
            message = message.replace(&told, "what this id stands for");
        }
    }
    let told = object
        .values()
        .filter_map(Value::as_str)
        .any(|value| message.contains(value));
    Decision {
        message: if told {
            decision.reason.sentence().to_owned()
        } else {
            message
        },
        ..decision
    }
}
