//! Sending a permitted request: the outcome is recorded before the agent sees the last bytes of the answer.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use remit_core::call::Call;
use remit_core::id::{CallId, DecisionId};
use remit_core::json::{Object, Value};
use remit_egress::ports::{Answer, Broken, Response};
use remit_egress::request::carried::Carried;
use remit_enforce::Permitted;
use remit_gateway::ports::Answer as Whole;
use remit_store::calls::CallState;
use remit_upstream::{EgressResponse, Injection, Outbound, Sent, UpstreamError};
use secrecy::SecretString;
use tokio::sync::mpsc;

use super::attachment::{Attachment, Kept};
use super::idempotency::{self, Settled};
use super::inject::{self, NoInjection};
use super::whole::{Read, may_mint, not_minted, read_whole};
use crate::app::{App, Failure};
use crate::broker::minted;
use crate::engine::call::{Allowed, Alongside};
use crate::engine::decide::Prepared;
use crate::engine::flights::Boarded;
use crate::engine::live::Live;
use crate::engine::record;
use crate::engine::send::{seal_answer, stopped};

/// Pieces of an answer that may wait for a slow agent.
const PIECES_WAITING: usize = 16;
/// Where a kept answer is inside a result.
pub(crate) const HTTP: &str = "http";

/// What belongs to the record of one outcome.
struct Outcome {
    call: CallId,
    decision: remit_core::decision::Decision,
    lane: &'static str,
    prepared: Prepared,
    /// The same one in other tasks it was sent for.
    with: Vec<Alongside>,
    /// Of one of those: the decision it was sent under.
    sent_under: Option<DecisionId>,
}

/// How it went, as far as it is known.
#[derive(Clone)]
struct Went {
    outcome: &'static str,
    state: CallState,
    status: Option<u16>,
    bytes: u64,
    why: Option<String>,
}

impl Went {
    fn failed(error: &UpstreamError) -> Self {
        let certain = error.is_certain_failure();
        Self {
            outcome: if certain { "failed" } else { "indeterminate" },
            state: if certain {
                CallState::Failed
            } else {
                CallState::Indeterminate
            },
            status: None,
            bytes: 0,
            why: Some(error.to_string()),
        }
    }

    const fn done(status: u16, bytes: u64) -> Self {
        Self {
            outcome: "done",
            state: CallState::Done,
            status: Some(status),
            bytes,
            why: None,
        }
    }
}

/// A request that left, with what it presented.
pub(super) struct Out {
    pub(super) response: EgressResponse,
    pub(super) environment: remit_upstream::Environment,
    pub(super) presented: Vec<SecretString>,
    /// The placeholders it came with.
    pub(super) carried: Vec<Carried>,
}

async fn out(
    app: &Arc<App>,
    live: &Arc<Live>,
    permitted: Permitted<Call>,
    prepared: &Prepared,
    attachment: &Arc<Attachment>,
    boarded: &mut Boarded,
) -> Result<Out, NoInjection> {
    let system = prepared.call.server.clone();
    let no = |detail: String| UpstreamError {
        server: system.clone(),
        kind: remit_upstream::ErrorKind::BadSpec,
        sent: remit_upstream::Sent::No,
        detail,
    };
    let description = prepared.server.as_ref().and_then(|server| server.system.clone());
    let description = description.ok_or_else(|| no("it is not a system".to_owned()))?;
    // In a task of its own: a credential that is being made must not be lost half-way when the call is cut.
    let making = {
        let (app, live, attachment) = (Arc::clone(app), Arc::clone(live), Arc::clone(attachment));
        async move { inject::injections(&app, &live, &description, &attachment.carried).await }
    };
    let made = tokio::select! {
        made = app.background.spawn(making) => made,
        () = boarded.cut() => return Err(stopped(&system, Sent::No).into()),
    };
    let injections = made.map_err(|error| no(format!("its credential was not made: {error}")))??;
    let environment =
        crate::registry::servers::environment(app).map_err(|failure| no(failure.to_string()))?;
    let presented = injections
        .iter()
        .filter_map(|injection| match injection {
            Injection::Header { value, .. } | Injection::Query { value, .. } => Some(value.clone()),
            Injection::Aws(_) => None,
        })
        .collect();
    let outbound = Outbound {
        task: live.snapshot().task.id,
        allow_private: prepared
            .server
            .as_ref()
            .is_some_and(|server| server.server.allow_private),
        injections,
        body: Arc::new(Kept(attachment.body.clone())),
    };
    if boarded.is_cut() {
        return Err(stopped(&system, Sent::No).into());
    }
    let sent = tokio::select! {
        sent = app.egress.outlet.send(permitted, outbound, &environment) => sent?,
        () = boarded.cut() => return Err(stopped(&system, Sent::Maybe).into()),
    };
    Ok(Out {
        response: sent,
        environment,
        presented,
        carried: attachment.carried.clone(),
    })
}

/// Sends, and streams the answer on. Its last piece is withheld until the outcome is recorded.
///
/// # Errors
/// [`Failure::Unavailable`] when the outcome cannot be recorded: the answer is then withheld.
/// [`Failure::NeedsReauth`] when it was not done for want of a login, and may be decided and made anew; unless this is
/// the second time.
pub(super) async fn stream(
    app: &Arc<App>,
    live: &Arc<Live>,
    allowed: Allowed,
    again: bool,
) -> Result<Answer, Failure> {
    let Allowed {
        permitted,
        call,
        mut boarded,
        decision,
        lane,
        prepared,
        attachment,
        with,
        ..
    } = allowed;
    let attachment = attachment.ok_or_else(|| Failure::Unavailable("the request has no body".to_owned()))?;
    let mut lease = may_mint(app, live, &prepared, call).await?;
    let sent = out(app, live, permitted, &prepared, &attachment, &mut boarded).await;
    let about = Outcome {
        call,
        decision,
        lane,
        prepared,
        with,
        sent_under: None,
    };
    match sent {
        Err(NoInjection::NeedsReauth(error, how)) if !again => {
            not_minted(app, lease.as_ref(), &error).await?;
            record_outcome(app, live, &about, Went::failed(&error), None).await?;
            Err(Failure::NeedsReauth(how))
        }
        Err(NoInjection::Error(error) | NoInjection::NeedsReauth(error, _)) => {
            not_minted(app, lease.as_ref(), &error).await?;
            record_outcome(app, live, &about, Went::failed(&error), None).await?;
            Ok(Answer::Failed {
                certain: error.is_certain_failure(),
                sentence: error.to_string(),
            })
        }
        Ok(out) => {
            if !again
                && out.response.status == 401
                && let Some(entry) = &about.prepared.server
                && let Some(failure) =
                    crate::broker::not_taken(app, live, entry, &attachment, &out.presented).await
            {
                let refused = UpstreamError {
                    server: about.prepared.call.server.clone(),
                    kind: remit_upstream::ErrorKind::Refused(401),
                    sent: remit_upstream::Sent::Yes,
                    detail: "it no longer takes the token it was shown".to_owned(),
                };
                if let Some(lease) = &lease {
                    minted::nothing(app, lease, "the request was refused").await?;
                }
                record_outcome(app, live, &about, Went::failed(&refused), None).await?;
                return Err(failure);
            }
            if let Some(lease) = &mut lease {
                let read = read_whole(app, live, lease, &about.prepared, out).await;
                let (went, answer) = match read {
                    Ok(read) => (Went::done(read.status, read.body.len() as u64), read.answer()),
                    Err(error) => (
                        Went::failed(&error),
                        Answer::Failed {
                            certain: error.is_certain_failure(),
                            sentence: error.to_string(),
                        },
                    ),
                };
                record_outcome(app, live, &about, went, None).await?;
                return Ok(answer);
            }
            let Out {
                response,
                environment,
                ..
            } = out;
            let (sender, receiver) = mpsc::channel(PIECES_WAITING);
            let passed = Response {
                status: response.status,
                headers: response.headers.clone(),
                length: response.length,
                body: receiver,
            };
            let (app, live) = (Arc::clone(app), Arc::clone(live));
            let background = Arc::clone(&app);
            background.background.spawn(async move {
                follow(&app, &live, about, boarded, response, environment, sender).await;
            });
            Ok(Answer::Response(passed))
        }
    }
}

async fn follow(
    app: &Arc<App>,
    live: &Arc<Live>,
    about: Outcome,
    mut boarded: Boarded,
    mut response: EgressResponse,
    environment: remit_upstream::Environment,
    to: mpsc::Sender<Result<bytes::Bytes, Broken>>,
) {
    let system = about.prepared.call.server.clone();
    let mut held: Option<bytes::Bytes> = None;
    let went = loop {
        let next = tokio::select! {
            next = response.body.next(&system, &environment) => next,
            // The agent is gone. It was sent and answered; how the answer went on is nobody's business any more.
            () = to.closed() => break Went::done(response.status, response.body.len()),
            () = boarded.cut() => Err(stopped(&system, Sent::Maybe)),
        };
        match next {
            Ok(Some(piece)) => {
                if let Some(before) = held.replace(piece)
                    && to.send(Ok(before)).await.is_err()
                {
                    break Went::done(response.status, response.body.len());
                }
            }
            Ok(None) => break Went::done(response.status, response.body.len()),
            Err(error) => {
                held = None;
                break Went {
                    status: Some(response.status),
                    bytes: response.body.len(),
                    ..Went::failed(&error)
                };
            }
        }
    };
    let broken = went.why.clone();
    let recorded = record_outcome(app, live, &about, went, None).await;
    let last = match (recorded, broken) {
        (Err(failure), _) => Some(Err(Broken(failure.to_string()))),
        (Ok(()), Some(why)) => Some(Err(Broken(why))),
        (Ok(()), None) => held.map(Ok),
    };
    if let Some(last) = last {
        // An agent that is gone misses nothing.
        let _ = to.send(last).await;
    }
}

/// Sends, and keeps the whole answer: for a held request, whose agent may be away.
///
/// # Errors
/// [`Failure::Unavailable`] when the outcome cannot be recorded: the answer is then withheld.
pub async fn whole(app: &Arc<App>, live: &Arc<Live>, allowed: Allowed, keep: bool) -> Result<Whole, Failure> {
    let Allowed {
        permitted,
        call,
        mut boarded,
        decision,
        lane,
        prepared,
        attachment,
        with,
        ..
    } = allowed;
    let attachment = attachment.ok_or_else(|| Failure::Unavailable("the request has no body".to_owned()))?;
    let system = prepared.call.server.clone();
    let mut lease = may_mint(app, live, &prepared, call).await?;
    let sent = out(app, live, permitted, &prepared, &attachment, &mut boarded).await;
    let about = Outcome {
        call,
        decision,
        lane,
        prepared,
        with,
        sent_under: None,
    };
    let read = match (sent, &mut lease) {
        (Ok(out), Some(lease)) => read_whole(app, live, lease, &about.prepared, out).await,
        (Ok(out), None) => tokio::select! {
            read = Read::of(&system, out) => read,
            () = boarded.cut() => Err(stopped(&system, Sent::Maybe)),
        },
        (Err(NoInjection::Error(error) | NoInjection::NeedsReauth(error, _)), lease) => {
            not_minted(app, lease.as_ref(), &error).await?;
            Err(error)
        }
    };
    let (went, answer) = match read {
        Ok(read) => (
            Went::done(read.status, read.body.len() as u64),
            kept(read.status, &read.headers, &read.body),
        ),
        Err(error) => {
            let went = Went::failed(&error);
            let mut object = Object::new();
            object.insert("failed", error.to_string());
            object.insert("certain", error.is_certain_failure());
            (went, object)
        }
    };
    let mut result = Object::new();
    result.insert(HTTP, answer);
    let answer = Whole::Result(result);
    let sealed = if keep {
        Some(seal_answer(app, live, call, &answer)?)
    } else {
        None
    };
    record_outcome(app, live, &about, went, sealed).await?;
    Ok(answer)
}

fn kept(status: u16, headers: &[(String, String)], body: &[u8]) -> Object {
    let mut object = Object::new();
    object.insert("status", i64::from(status));
    let headers: Vec<Value> = headers
        .iter()
        .map(|(name, value)| Value::Array(vec![name.as_str().into(), value.as_str().into()]))
        .collect();
    object.insert("headers", headers);
    object.insert("body", STANDARD.encode(body));
    object
}

/// A kept answer, as it is given to the agent.
pub(super) fn give(kept: &Object) -> Option<Answer> {
    let http = kept.get(HTTP)?;
    if let Some(sentence) = http.get("failed").and_then(Value::as_str) {
        return Some(Answer::Failed {
            sentence: sentence.to_owned(),
            certain: http.get("certain").and_then(Value::as_bool).unwrap_or(false),
        });
    }
    let body = STANDARD.decode(http.get("body")?.as_str()?).ok()?;
    let headers = http.get("headers")?.as_array()?.iter().filter_map(|pair| {
        let pair = pair.as_array()?;
        Some((
            pair.first()?.as_str()?.to_owned(),
            pair.get(1)?.as_str()?.to_owned(),
        ))
    });
    let (sender, receiver) = mpsc::channel(1);
    let length = body.len() as u64;
    if !body.is_empty() {
        // There is room for one.
        let _ = sender.try_send(Ok(body.into()));
    }
    Some(Answer::Response(Response {
        status: u16::try_from(http.get("status")?.as_i64()?).ok()?,
        headers: headers.collect(),
        length: Some(length),
        body: receiver,
    }))
}

async fn record_outcome(
    app: &Arc<App>,
    live: &Arc<Live>,
    about: &Outcome,
    went: Went,
    kept: Option<Vec<u8>>,
) -> Result<(), Failure> {
    record_one(app, live, about, went.clone(), kept).await?;
    for other in &about.with {
        let of_other = Outcome {
            call: other.call,
            decision: other.decision.clone(),
            lane: other.lane,
            prepared: other.prepared.clone(),
            with: Vec::new(),
            sent_under: Some(about.decision.id),
        };
        record_one(app, &other.live, &of_other, went.clone(), None).await?;
    }
    Ok(())
}

async fn record_one(
    app: &Arc<App>,
    live: &Arc<Live>,
    about: &Outcome,
    went: Went,
    kept: Option<Vec<u8>>,
) -> Result<(), Failure> {
    let mut entry = record::of_live("outcome", live);
    record::about_call(
        &mut entry,
        &about.prepared.call,
        about.prepared.classification().map(|c| c.class.as_str()),
    );
    entry.lane = Some(about.lane.to_owned());
    entry.decision_id = Some(about.decision.id.to_string());
    entry.approval = about.decision.approval.map(|id| id.to_string());
    entry.outcome = Some(went.outcome.to_owned());
    entry.detail.insert("call", about.call.to_string());
    crate::engine::cause::record(&mut entry, about.prepared.cause.as_deref());
    record::lookup(&mut entry, &about.prepared);
    if let Some(decision) = about.sent_under {
        entry.detail.insert("sent_under", decision.to_string());
    }
    if let Some(status) = went.status {
        entry.detail.insert("status", i64::from(status));
        entry
            .detail
            .insert("bytes", i64::try_from(went.bytes).unwrap_or(i64::MAX));
    }
    if let Some(why) = &went.why {
        let why: String = why.chars().take(500).collect();
        entry.detail.insert("why", crate::approvals::card::escape(&why));
    }
    let snapshot = live.snapshot();
    // What surely was not done may be made anew, with the same key.
    let is_known = went.state == CallState::Done && went.status.is_some_and(idempotency::is_known);
    // Of a kept answer it is once it reached its agent.
    let system = about
        .prepared
        .server
        .as_ref()
        .and_then(|server| server.system.as_ref());
    let settled = system
        .filter(|_| is_known && kept.is_none())
        .and_then(|system| Settled::of(app, snapshot.task.id, system, &about.prepared.call));
    let (task, run, call, state) = (snapshot.task.id, snapshot.task.run, about.call, went.state);
    app.store
        .append(entry, move |tx| {
            if let Some(sealed) = &kept {
                remit_store::results::keep(tx, call, task, run, sealed)?;
            }
            if let Some(settled) = &settled {
                settled.apply(tx)?;
            }
            remit_store::calls::finish(tx, call, state)
        })
        .await?;
    Ok(())
}
