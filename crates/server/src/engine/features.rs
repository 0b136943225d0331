//! The other direction: what a server asks of the agent's client. The request is decided; the client's answer is a
//! transfer to that server, decided and recorded before it leaves.

use std::sync::Arc;

use remit_core::authority::ClientFeature;
use remit_core::call::{Call, Operation};
use remit_core::json::{Object, Value};
use remit_core::name::Name;
use remit_enforce::Permitted;
use remit_gateway::ports::{Era, Event, Events};
use remit_upstream::{ClientAnswer, ClientRefusal};
use tokio::sync::oneshot;

use super::call::{Asked, Decided, Redeemed, decide};
use super::live::Live;
use crate::app::{App, Failure};

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
        .is_none()
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
            Ok(permitted.ok_or(ClientRefusal::Declined))
        }
        Ok(Err(_)) | Err(_) => Ok(Err(ClientRefusal::Declined)),
    }
}

/// One decision about what goes to the server; `None` when it is not allowed as it is.
async fn let_out(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    era: Era,
    feature: ClientFeature,
    arguments: Object,
) -> Result<Option<Permitted<Call>>, Failure> {
    let asked = Asked {
        server: server.clone(),
        operation: Operation::AnswerServer(feature),
        arguments,
        era,
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
            Ok(Some(allowed.permitted))
        }
        Decided::Asks(_) | Decided::Denied { .. } => Ok(None),
    }
}

/// Decides what a multi-round-trip continuation carries to the server, before the call that carries it.
///
/// # Errors
/// A sentence when the task does not let one of the answers out.
pub async fn continuation(
    app: &Arc<App>,
    live: &Arc<Live>,
    server: &Name,
    responses: &Object,
    state: Option<&str>,
) -> Result<(), Failure> {
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
        if let_out(app, live, server, Era::Modern, feature, arguments)
            .await?
            .is_none()
        {
            return Err(Failure::Forbidden(format!(
                "this task does not let answers to {} out to `{server}`",
                feature.method()
            )));
        }
    }
    Ok(())
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

/// The features an upstream's `input_required` result asks for.
#[must_use]
pub fn wanted_by(result: &Object) -> Vec<ClientFeature> {
    let requests = result.get("inputRequests").and_then(Value::as_object);
    let methods = requests
        .into_iter()
        .flat_map(|requests| requests.values())
        .filter_map(|r| r.get("method")?.as_str());
    methods
        .filter_map(|method| ClientFeature::ALL.into_iter().find(|f| f.method() == method))
        .collect()
}
