//! The other direction: what a server asks of the agent's client. The request is decided; the client's answer is a
//! transfer to that server, decided and recorded before it leaves.

use std::sync::Arc;

use remit_core::authority::ClientFeature;
use remit_core::call::{Call, Operation};
use remit_core::decision::{Decision, Reason};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_enforce::Permitted;
use remit_gateway::ports::{Era, Event, Events};
use remit_upstream::{ClientAnswer, ClientRefusal};
use tokio::sync::oneshot;

use super::call::{Asked, Decided, Redeemed, decide, refuse_for};
use super::decide::prepare;
use super::live::Live;
use crate::app::{App, Failure};

/// Characters of a method that nobody knows, in records and answers.
const METHOD_SHOWN_MAX: usize = 100;

/// A server's request and where its answer goes.
#[derive(Debug)]
pub struct Wanted {
    /// Which feature.
    pub feature: ClientFeature,
    /// Parameters.
    pub params: Object,
    /// The answer.
    pub reply: oneshot::Sender<ClientAnswer>,
}

/// Decides a server's request, asks the client when it is allowed, decides the answer, and lets it out.
pub fn ask_client(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    era: Era,
    wanted: Wanted,
    client: Option<Events>,
) {
    let (app, live, server) = (Arc::clone(app), Arc::clone(live), server.clone());
    tokio::spawn(async move {
        let Wanted {
            feature,
            params,
            reply,
        } = wanted;
        let answer = match round(&app, &live, &server, era, feature, params, client).await {
            Ok(answer) => answer,
            Err(failure) => {
                tracing::warn!(%server, %failure, "a server's request to the client was refused");
                Err(ClientRefusal::NotAvailable)
            }
        };
        // The server may have stopped waiting.
        drop(reply.send(answer));
    });
}

async fn round(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    era: Era,
    feature: ClientFeature,
    params: Object,
    client: Option<Events>,
) -> Result<ClientAnswer, Failure> {
    let Some(client) = client else {
        return Ok(Err(ClientRefusal::NotAvailable));
    };
    if let_out(app, live, server, era, feature, params.clone())
        .await?
        .is_err()
    {
        return Ok(Err(ClientRefusal::NotAvailable));
    }
    let (sender, receiver) = oneshot::channel();
    if client
        .send(Event::ClientRequest {
            feature,
            params,
            reply: sender,
        })
        .await
        .is_err()
    {
        return Ok(Err(ClientRefusal::NotAvailable));
    }
    match receiver.await {
        Ok(Ok(result)) => {
            let permitted = let_out(app, live, server, era, feature, result).await?;
            Ok(permitted.map_err(|_| ClientRefusal::Declined))
        }
        Ok(Err(_)) | Err(_) => Ok(Err(ClientRefusal::Declined)),
    }
}

/// One decision about what a server asks, or what goes to it; the denial when it is not allowed as it is.
async fn let_out(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    era: Era,
    feature: ClientFeature,
    arguments: Object,
) -> Result<Result<Permitted<Call>, Box<Decision>>, Failure> {
    let asked = Asked {
        server: server.clone(),
        operation: Operation::AnswerServer(feature),
        arguments,
        era,
        proof: live.standing().proof,
        attachment: None,
        cause: None,
    };
    match decide(app, live, &asked, &Redeemed::Nothing).await? {
        Decided::Allowed(allowed) => {
            let call = allowed.call;
            let mut entry = super::record::of_live("outcome", live);
            super::record::about_call(&mut entry, &allowed.prepared.call, None);
            entry.decision_id = Some(allowed.decision.id.to_string());
            entry.outcome = Some("done".to_owned());
            entry.detail.insert("call", call.to_string());
            app.store
                .append(entry, move |tx| {
                    remit_store::calls::finish(tx, call, remit_store::calls::CallState::Done)
                })
                .await?;
            Ok(Ok(allowed.permitted))
        }
        // There is nothing to store and execute later: the server waits for its answer now.
        Decided::Asks(asks) => {
            let message = format!(
                "{}; a request of a server cannot wait for people",
                asks.hold.message
            );
            let prepared = &asks.prepared;
            let decision = refuse_for(app, live, prepared, Reason::ApprovalRequired, message).await?;
            Ok(Err(Box::new(decision)))
        }
        Decided::Denied { decision, .. } => Ok(Err(decision)),
    }
}

/// Decides what a multi-round-trip continuation carries to the server, before the call that carries it; the first denial,
/// if there is one.
///
/// # Errors
/// [`Failure::Unavailable`] when no verdict could be recorded.
pub async fn continuation(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    responses: &Object,
    state: Option<&str>,
) -> Result<Option<Box<Decision>>, Failure> {
    let mut by_feature: std::collections::BTreeMap<ClientFeature, Object> = std::collections::BTreeMap::new();
    for (key, response) in responses.iter() {
        by_feature
            .entry(feature_of(response))
            .or_default()
            .insert(key, response.clone());
    }
    for (feature, answers) in by_feature {
        let mut arguments = Object::new();
        arguments.insert("inputResponses", answers);
        if let Some(state) = state {
            arguments.insert("requestState", state);
        }
        if let Err(denied) = let_out(app, live, server, Era::Modern, feature, arguments).await? {
            return Ok(Some(denied));
        }
    }
    Ok(None)
}

/// Which feature an input response answers, by its shape: that of a `roots/list` or `sampling/createMessage` result and
/// nothing beside it. Everything else is what a person typed, an elicitation: a shape cannot be stretched to pass for less.
fn feature_of(response: &Value) -> ClientFeature {
    const ROOTS: &[&str] = &["roots", "_meta"];
    const SAMPLING: &[&str] = &["role", "content", "model", "stopReason", "_meta"];
    let only = |names: &[&str]| {
        response
            .as_object()
            .is_some_and(|members| members.iter().all(|(name, _)| names.contains(&name)))
    };
    if response.get("roots").is_some() && only(ROOTS) {
        ClientFeature::Roots
    } else if response.get("role").is_some() && only(SAMPLING) {
        ClientFeature::Sampling
    } else {
        ClientFeature::Elicitation
    }
}

/// Decides everything an `input_required` result asks of the client; the first denial, if there is one.
///
/// # Errors
/// [`Failure::Unavailable`] when no verdict could be recorded.
pub async fn vet(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    era: Era,
    result: &Object,
) -> Result<Option<Box<Decision>>, Failure> {
    let requests = result.get("inputRequests").and_then(Value::as_object);
    for request in requests.into_iter().flat_map(Object::values) {
        let method = request.get("method").and_then(Value::as_str);
        let Some(feature) = ClientFeature::ALL
            .into_iter()
            .find(|f| Some(f.method()) == method)
        else {
            return unknown_request(app, live, server, method.unwrap_or("nothing"))
                .await
                .map(Some);
        };
        let params = request.get("params").and_then(Value::as_object);
        let params = params.cloned().unwrap_or_default();
        if let Err(denied) = let_out(app, live, server, era, feature, params).await? {
            return Ok(Some(denied));
        }
    }
    Ok(None)
}

/// A request no revision knows is let through to nobody, and the refusal is recorded like every other.
async fn unknown_request(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    method: &str,
) -> Result<Box<Decision>, Failure> {
    let method = crate::approvals::card::escape(&method.chars().take(METHOD_SHOWN_MAX).collect::<String>());
    let mut arguments = Object::new();
    arguments.insert("method", method.as_str());
    let prepared = prepare(
        &app.world(),
        server,
        Operation::AnswerServer(ClientFeature::Elicitation),
        arguments,
        live.standing().proof,
    );
    let message = format!(
        "`{server}` asks for `{method}`, which is no request a server may make: nothing unknown is let through"
    );
    let decision = refuse_for(app, live, &prepared, Reason::OutOfAuthority, message).await?;
    Ok(Box::new(decision))
}
